// The page: choose an image, send it to the server, show its label.

import { showExamples } from "./examples.js";
import { readLabel } from "./label.js";
import { Legend, percent } from "./legend.js";
import { decodePhoto } from "./photo.js";
import { Picture } from "./picture.js";
import { fetchModel, storeToken, MODELS, RequestError, segment } from "./server.js";

const find = (selector) => document.querySelector(selector);
const MIB = 2 ** 20;
const MEGAPIXEL = 10 ** 6;

const wantedName = new URLSearchParams(location.search).get("model");
let modelName = MODELS.includes(wantedName) ? wantedName : MODELS[0];
let model = null; // description of its newest version
let modelRequest = null; // promise of the first description
let shown = null; // the image on display, its label, and the model and version that labeled it
let task = null; // the current or last task: { abort, doing, work(signal) }

const picture = new Picture(find("#stage"), {
  pointedAt: (id) => legend.mark(id),
  announce: (id) => announce(id === null ? "" : nameOf(id)),
});
const legend = new Legend(find("#legend"), (id) => picture.highlight(id));

/** Returns the name of a class id. */
function nameOf(id) {
  return shown.names[id] ?? `class ${id}`;
}

/** Announces a text to screen readers. */
function announce(text) {
  find("#spoken").textContent = text;
}

/** Runs a task with a progress bar, one at a time; shows errors beside the drop area. */
async function runTask(doing, work) {
  task?.abort.abort();
  const current = (task = { abort: new AbortController(), doing, work });
  showProgress(doing);
  try {
    await work(current.abort.signal);
    if (current === task) showProgress(null);
  } catch (error) {
    if (current !== task) return;
    showProgress(null);
    if (error.name !== "AbortError") showError(error);
  }
}

/** Shows the current step and the fraction of the upload (null: unknown); hides both if `doing` is null. */
function showProgress(doing, sent = null) {
  find("#waiting").hidden = doing === null;
  find("#limits").hidden = doing !== null;
  find("#error").hidden = true;
  find("#doing").textContent = doing ?? "";
  const progress = find("progress");
  if (sent === null) progress.removeAttribute("value");
  else progress.value = sent;
}

function showError(error) {
  const isRequestError = error instanceof RequestError;
  find("#token").hidden = !error.needsToken;
  if (error.needsToken) find("#token-text").focus();
  find("#limits").hidden = true;
  find("#error").hidden = false;
  find("#error .message").textContent = isRequestError ? error.message : `Something went wrong: ${error.message}`;
  find("#error .detail").textContent = error.detail ?? "";
  find("#again").hidden = !error.canRetry;
  if (!isRequestError) console.error(error);
}

/** Labels an image and shows the result. */
function choose(file, name) {
  return runTask(`Reading ${name}…`, async (signal) => {
    await loadModelOnce();
    if (file.size > model.max_bytes) {
      const size = `${name} has ${megabytes(file.size)}; the server accepts at most ${megabytes(model.max_bytes)}.`;
      throw new RequestError(413, "This image is too large for this server. Make it smaller.", size);
    }
    const kept = await copy(file, name);
    const photo = decodePhoto(kept);
    const answer = await segment(kept, "label", {
      model: model.name,
      signal,
      onSent: (fraction) => {
        if (signal.aborted) return;
        if (fraction < 1) showProgress(`Sending ${name}…`, fraction);
        else showProgress(`Labeling ${name}…`);
      },
    });
    const label = await readLabel(answer.content);
    const version = Number(answer.header("X-Fcn-Version"));
    if (version !== model.version) await loadModel();
    label.recolor(model.overlay_palette);
    const decoded = await photo;
    if (signal.aborted) return;
    show({ image: kept, name, model: model.name, version, answer, label, photo: decoded });
  });
}

/** Returns a copy in memory: the file may change or be deleted meanwhile. */
async function copy(file, name) {
  try {
    return new Blob([await file.arrayBuffer()], { type: file.type });
  } catch {
    throw new RequestError(400, `${name} cannot be read. If it is a folder, choose an image in it.`);
  }
}

/** Loads the model description once, then the examples, which may be missing. */
function loadModelOnce() {
  modelRequest ??= loadModel().then(
    () => void showExamples(find("#examples"), model.names, choose).catch(() => {}),
    (error) => {
      modelRequest = null;
      find("#model").textContent = "The model description is not loaded.";
      throw error;
    },
  );
  return modelRequest;
}

async function loadModel() {
  const described = await fetchModel(modelName);
  if (described.name !== modelName) return; // another one was chosen meanwhile
  model = described;
  const { name, version, engine, names } = model;
  find("#model").textContent = `Model ${name}, version ${version}, ${engine}, ${names.length} classes`;
  const pixels = Math.floor(model.max_pixels / MEGAPIXEL);
  find("#limits").textContent =
    `JPEG, PNG, BMP, WebP, TIFF, GIF, AVIF, HEIC, JPEG 2000 or PNM, at most ${megabytes(model.max_bytes)} and ${pixels} megapixels.`;
}

function megabytes(bytes) {
  return `${Number((bytes / MIB).toFixed(1))} MB`;
}

function show(result) {
  const { name, answer, label, photo } = result;
  const fits =
    photo &&
    Math.abs(photo.width * label.height - photo.height * label.width) <= label.width + label.height;
  if (!fits) chooseView("label");
  else if (shown?.alone) chooseView("overlay");
  shown = { ...result, names: model.names, alone: !fits };
  find("#note").hidden = Boolean(fits);
  find("#result").hidden = false;
  find("#title").textContent = name;
  find("#stage").setAttribute("aria-label", `${name}, ${label.width} by ${label.height} pixels, with its label`);
  picture.show(fits ? photo : null, label, nameOf, nameOf(0) === "background");
  legend.show(label, nameOf);
  showFacts(answer, label);
  linkLabel(answer);
  const classes = label.shares.map(([id, share]) => `${nameOf(id)} ${percent(share)}`);
  announce(`${name} is labeled: ${classes.join(", ")}.`);
  if (find("#result").getBoundingClientRect().top > 0.6 * window.innerHeight) {
    const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    find("#result").scrollIntoView({ behavior: still ? "auto" : "smooth", block: "start" });
  }
}

function showFacts(answer, label) {
  const timing = answer.timing();
  const serverTime = Object.values(timing).reduce((sum, value) => sum + value, 0);
  const rows = [
    ["Mean confidence", percent(Number(answer.header("X-Fcn-Mean-Confidence")))],
    ["Size", `${label.width} x ${label.height}`],
    ["Version", answer.header("X-Fcn-Version")],
    ["Engine", answer.header("X-Fcn-Engine")],
    ...Object.entries({ decode: "Decoding", engine: "Queue and engine", encode: "Encoding" })
      .filter(([key]) => key in timing)
      .map(([key, title]) => [title, duration(timing[key])]),
    ["Network and other", duration(Math.max(0, answer.milliseconds - serverTime))],
    ["Total", duration(answer.milliseconds)],
  ];
  find("#facts").replaceChildren(
    ...rows.map(([title, value]) => {
      const row = document.createElement("div");
      const [term, detail] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = title;
      detail.textContent = value;
      row.append(term, detail);
      return row;
    }),
  );
}

function duration(milliseconds) {
  if (milliseconds >= 1000) return `${(milliseconds / 1000).toFixed(2)} s`;
  return `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms`;
}

function stem() {
  return shown.name.replace(/\.[^.]*$/, "");
}

function linkLabel(answer) {
  const link = find("#download-label");
  if (link.href) URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(answer.blob());
  link.download = `${stem()}.png`;
}

function linkOutput(button, output, ending) {
  find(button).addEventListener("click", () => {
    const { image, model, version } = shown;
    const file = `${stem()}${ending}`;
    runTask(`Preparing ${file}…`, async (signal) => {
      const answer = await segment(image, output, { model, version, signal });
      const link = document.createElement("a");
      link.href = URL.createObjectURL(answer.blob());
      link.download = file;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser may still ask for a place to save it
      announce(`${file} is ready.`);
    });
  });
}

function chooseView(view) {
  find(`#view-${view}`).checked = true;
  find("#opacity").disabled = view !== "overlay";
  picture.setView(view);
}

function chooseFirst(files) {
  const [file] = files ?? [];
  if (file) choose(file, file.name);
}

for (const input of [find("#file"), find("#camera")]) {
  input.addEventListener("change", () => {
    chooseFirst(input.files);
    input.value = ""; // so that the same file can be chosen again
  });
}
window.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) chooseFirst(event.clipboardData.files);
});
window.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dragging");
});
window.addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) document.body.classList.remove("dragging");
});
window.addEventListener("drop", (event) => {
  event.preventDefault(); // otherwise the browser opens the file
  document.body.classList.remove("dragging");
  if (event.dataTransfer.files.length) chooseFirst(event.dataTransfer.files);
  else showError(new RequestError(400, "You did not drop a file. Save the image first, then drop its file here."));
});
find("#cancel").addEventListener("click", () => {
  task.abort.abort();
  showProgress(null);
  find("#file").focus();
});
find("#again").addEventListener("click", () => runTask(task.doing, task.work));
find("#token").addEventListener("submit", (event) => {
  event.preventDefault();
  storeToken(find("#token-text").value.trim());
  find("#token").hidden = true;
  runTask(task.doing, task.work);
});
for (const radio of document.querySelectorAll("[name=view]")) {
  radio.addEventListener("change", () => chooseView(radio.value));
}
find("#opacity").addEventListener("input", (event) => picture.setOpacity(event.target.value / 100));
linkOutput("#download-overlay", "overlay", ".overlay.jpg");
linkOutput("#download-polygons", "polygons", ".coco.json");
/** Shows how to label an image without the page. */
function showCurl() {
  const address = new URL(`v1/models/${modelName}:segment?output=overlay`, location);
  find("#curl").textContent = `curl --data-binary @image.jpg '${address}' > overlay.jpg`;
}

/** Changes to another model, and labels the image on display with it. */
function chooseModel(name) {
  modelName = name;
  modelRequest = null;
  history.replaceState(null, "", `?${new URLSearchParams({ model: name })}`);
  showCurl();
  if (shown) choose(shown.image, shown.name);
  else runTask("Loading the model description…", loadModelOnce);
}

find("#models").hidden = MODELS.length < 2;
find("#model-name").append(...MODELS.map((name) => new Option(name, name, false, name === modelName)));
find("#model-name").addEventListener("change", (event) => chooseModel(event.target.value));
showCurl();
runTask("Loading the model description…", loadModelOnce);
