// Example images of the server.

import { fetchExample, fetchExamples } from "./server.js";

/**
 * Shows the examples of the server as buttons.
 *
 * @param {HTMLElement} box Element for them, with a paragraph and a list.
 * @param {string[]} names The model's classes.
 * @param {(image: Blob, name: string) => void} choose Called with the chosen example.
 */
export async function showExamples(box, names, choose) {
  const offered = await fetchExamples();
  box.querySelector("p").textContent = describe(offered, names);
  box.hidden = false;
  const list = box.querySelector("ul");
  list.replaceChildren(); // they may be shown again, for another model
  for (const [number, name] of offered.names.entries()) {
    const image = await fetchExample(number);
    const picture = document.createElement("img");
    picture.src = URL.createObjectURL(image);
    picture.alt = name;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "example";
    button.title = name;
    button.append(picture);
    button.addEventListener("click", () => choose(image, name));
    const item = document.createElement("li");
    item.append(button);
    list.append(item);
  }
}

function describe({ classes }, names) {
  if (classes.length === 0) return "Or try one of these images:";
  if (classes.every((name) => names.includes(name))) {
    return "Or try a generated scene, like those in the quickstart's training data:";
  }
  return (
    `Or try a generated scene (${classes.join(", ")}). ` +
    "This model was not trained on these classes, so its labels will be wrong."
  );
}
