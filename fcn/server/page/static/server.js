// Requests of the page to its own server, and messages for failed ones.

const TOKEN = "fcn-token";
const NO_ANSWER = 0;

/** Names of the models. */
export const MODELS = document.querySelector('meta[name="models"]').content.split(" ");

/** An error of a request, with a message for people. */
export class RequestError extends Error {
  /**
   * @param {number} status HTTP status, 0 without a response.
   * @param {string} message Explanation in one or two sentences.
   * @param {string} detail Error message of the server; may be empty.
   */
  constructor(status, message, detail = "") {
    super(message);
    this.status = status;
    this.detail = detail;
  }

  get needsToken() {
    return this.status === 401;
  }

  /** Whether the same request may succeed later. */
  get canRetry() {
    return [NO_ANSWER, 408, 429, 503, 504].includes(this.status);
  }
}

/** Returns name, classes and limits of a model. */
export async function fetchModel(name) {
  return (await send("GET", `v1/models/${name}:classes`)).json();
}

/** Returns the names of the examples, and their classes if they are drawn scenes. */
export async function fetchExamples() {
  return (await send("GET", "examples")).json();
}

/** Returns an example as a Blob. */
export async function fetchExample(number) {
  return (await send("GET", `examples/${number}`)).blob();
}

/**
 * Sends an image to be labeled.
 *
 * @param {Blob} image The file as it is.
 * @param {string} output "label", "overlay" or "polygons".
 * @param {object} options `model`; its `version`, by default the newest; `signal` to cancel; `onSent(fraction)` for progress.
 * @returns {Promise<ServerResponse>}
 */
export function segment(image, output, { model, version, ...options }) {
  const path = version === undefined ? model : `${model}/versions/${version}`;
  return send("POST", `v1/models/${path}:segment?output=${output}`, image, options);
}

/** Stores a token until the tab is closed. */
export function storeToken(token) {
  sessionStorage.setItem(TOKEN, token);
}

/** A response of the server. */
class ServerResponse {
  constructor(request, milliseconds) {
    this.content = request.response;
    this.milliseconds = milliseconds;
    this.header = (name) => request.getResponseHeader(name) ?? "";
  }

  json() {
    return JSON.parse(new TextDecoder().decode(this.content));
  }

  blob() {
    return new Blob([this.content], { type: this.header("Content-Type") });
  }

  /** Returns the times that the server measured, milliseconds by name. */
  timing() {
    const parts = this.header("Server-Timing").matchAll(/(\w+);dur=([\d.]+)/g);
    return Object.fromEntries(Array.from(parts, ([, name, value]) => [name, Number(value)]));
  }
}

// fetch() reports no upload progress, and uploads from a phone take seconds.
function send(method, path, body = null, { signal, onSent } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const begin = performance.now();
    request.open(method, path);
    request.responseType = "arraybuffer";
    const token = sessionStorage.getItem(TOKEN);
    if (token) request.setRequestHeader("Authorization", `Bearer ${token}`);
    if (body) request.setRequestHeader("Content-Type", body.type || "application/octet-stream");
    const cancel = () => request.abort();
    signal?.addEventListener("abort", cancel);
    request.upload.onprogress = (event) => onSent?.(event.loaded / event.total);
    request.upload.onload = () => onSent?.(1);
    request.onload = () => {
      const answer = new ServerResponse(request, performance.now() - begin);
      if (request.status === 200) resolve(answer);
      else reject(requestError(request.status, answer, token !== null));
    };
    request.onerror = () => reject(requestError(NO_ANSWER, null, false));
    request.onabort = () => reject(new DOMException("Canceled.", "AbortError"));
    request.onloadend = () => signal?.removeEventListener("abort", cancel);
    if (signal?.aborted) reject(new DOMException("Canceled.", "AbortError"));
    else request.send(body);
  });
}

function requestError(status, answer, hadToken) {
  let detail = "";
  try {
    detail = answer?.json().error ?? "";
  } catch {
    // A proxy may respond with anything.
  }
  return new RequestError(status, errorMessage(status, answer, hadToken), detail && status !== 401 ? `Server: ${detail}` : "");
}

function errorMessage(status, answer, hadToken) {
  switch (status) {
    case NO_ANSWER:
      return "The server cannot be reached. Check your connection, and that the server is running.";
    case 400:
    case 415:
      return "This file could not be read as an image.";
    case 401:
      return hadToken ? "The server does not accept this token." : "This server requires a token.";
    case 404:
      return "Not found: the model may have been replaced. Reload the page.";
    case 408:
      return "The upload took too long. Try again, or send a smaller image.";
    case 413:
      return "This image is too large for this server. Make it smaller and try again.";
    case 429: {
      const seconds = Number(answer.header("Retry-After")) || 1;
      return `The server is busy. Try again in ${seconds} second${seconds === 1 ? "" : "s"}.`;
    }
    case 503:
      return "The server is stopping, or is loading another version of the model. Try again in a moment.";
    case 504:
      return "The server was too busy to label this image in time. Try again later.";
    default:
      return `The server failed (error ${status}). See its log for the reason.`;
  }
}
