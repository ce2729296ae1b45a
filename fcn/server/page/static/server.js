// What the page asks of its server, and what it says where there is no answer.

const TOKEN = "fcn-token";
const NO_ANSWER = 0;

export const MODEL = document.querySelector('meta[name="model"]').content;

/** Why there is no answer, for people. */
export class RequestError extends Error {
  /**
   * @param {number} status HTTP status, 0 without any.
   * @param {string} message What is the matter, in a plain sentence or two.
   * @param {string} detail What the server says itself; may be empty.
   */
  constructor(status, message, detail = "") {
    super(message);
    this.status = status;
    this.detail = detail;
  }

  get needsToken() {
    return this.status === 401;
  }

  /** Whether the same request may do well a little later. */
  get canRetry() {
    return [NO_ANSWER, 408, 429, 503, 504].includes(this.status);
  }
}

/** Returns what the model is called, knows and takes. */
export async function fetchModel() {
  return (await send("GET", `v1/models/${MODEL}:classes`)).json();
}

/** Returns the names of the examples, and whether they are drawn scenes. */
export async function fetchExamples() {
  return (await send("GET", "examples")).json();
}

/** Returns an example as a Blob. */
export async function fetchExample(number) {
  return (await send("GET", `examples/${number}`)).blob();
}

/**
 * Sends a photograph.
 *
 * @param {Blob} photograph The file as it is.
 * @param {string} output "label", "overlay" or "polygons".
 * @param {object} options `version` of the model, the newest without; `signal` to cancel; `onSent(share)`.
 * @returns {Promise<ServerResponse>}
 */
export function segment(photograph, output, { version, ...options } = {}) {
  const model = version === undefined ? MODEL : `${MODEL}/versions/${version}`;
  return send("POST", `v1/models/${model}:segment?output=${output}`, photograph, options);
}

/** Keeps a token until the tab is closed. */
export function storeToken(token) {
  sessionStorage.setItem(TOKEN, token);
}

/** An answer of the server. */
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

  /** Returns the server's own times, milliseconds by name. */
  timing() {
    const parts = this.header("Server-Timing").matchAll(/(\w+);dur=([\d.]+)/g);
    return Object.fromEntries(Array.from(parts, ([, name, value]) => [name, Number(value)]));
  }
}

// fetch() does not tell how much of a photograph has been sent, which takes seconds from a phone.
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
    // A proxy on the way may answer with anything.
  }
  return new RequestError(status, errorMessage(status, answer, hadToken), detail && status !== 401 ? `The server says: ${detail}` : "");
}

function errorMessage(status, answer, hadToken) {
  switch (status) {
    case NO_ANSWER:
      return "The server cannot be reached. Check the connection, and whether the server is still running.";
    case 400:
    case 415:
      return "This file could not be read as a photograph.";
    case 401:
      return hadToken ? "The server does not accept this token." : "This server wants a token.";
    case 404:
      return "This is not there any more: the model may have been replaced. Reload the page.";
    case 408:
      return "The photograph took too long to arrive. Try again, or send a smaller one.";
    case 413:
      return "This photograph is too large for this server. Make it smaller and try again.";
    case 429: {
      const seconds = Number(answer.header("Retry-After")) || 1;
      return `The server is busy. Try again in ${seconds} second${seconds === 1 ? "" : "s"}.`;
    }
    case 503:
      return "The server is stopping. Try again in a moment.";
    case 504:
      return "The server did not get to this photograph in time. Try again later.";
    default:
      return `The server could not answer (error ${status}). Its log says why.`;
  }
}
