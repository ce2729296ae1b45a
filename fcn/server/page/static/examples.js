// Pictures to try the model on, of which the server has a few.

import { fetchExample, fetchExamples } from "./server.js";

/**
 * Shows what the server has, each as a button.
 *
 * @param {HTMLElement} box Where they go; holds a paragraph and a list.
 * @param {string[]} names The model's classes.
 * @param {(photograph: Blob, name: string) => void} choose Called with the one that is pressed.
 */
export async function showExamples(box, names, choose) {
  const offered = await fetchExamples();
  box.querySelector("p").textContent = describe(offered, names);
  box.hidden = false;
  const list = box.querySelector("ul");
  for (const [number, name] of offered.names.entries()) {
    const photograph = await fetchExample(number);
    const picture = document.createElement("img");
    picture.src = URL.createObjectURL(photograph);
    picture.alt = name;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "example";
    button.title = name;
    button.append(picture);
    button.addEventListener("click", () => choose(photograph, name));
    const item = document.createElement("li");
    item.append(button);
    list.append(item);
  }
}

function describe({ classes }, names) {
  if (classes.length === 0) return "Or try one of these photographs:";
  if (classes.every((name) => names.includes(name))) {
    return "Or try a scene drawn by this server, like those that the quickstart trains on:";
  }
  return (
    `Or try a scene drawn by this server (${classes.join(", ")}). ` +
    "This model knows other classes: expect guesses."
  );
}
