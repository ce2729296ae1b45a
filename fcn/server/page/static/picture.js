// The picture: the image with its label as an overlay, and a readout of the class at a point.

import { swatchOf } from "./legend.js";

const MAX_SCALE = 6;
const MIN_HEIGHT = 260;
const WINDOW_FRACTION = 0.74;
const KEYBOARD_STEPS = 40; // key presses from one side to the other
// Color over classes that are not highlighted.
const DIMMED = [16, 19, 23, 200];
const MIN_HIGHLIGHT_OPACITY = 0.55;

/**
 * Draws on a canvas at the resolution of the screen, whatever the size of the image.
 */
export class Picture {
  /**
   * @param {HTMLElement} stage Focusable element with a canvas, a crosshair and a tag for the class.
   * @param {object} callbacks `pointedAt(id)` is called with the class under the pointer, null for none;
   *   `announce(id)` if it was moved by the keyboard.
   */
  constructor(stage, callbacks) {
    this.stage = stage;
    this.canvas = stage.querySelector("canvas");
    this.cross = stage.querySelector(".cross");
    this.tag = stage.querySelector(".tag");
    this.callbacks = callbacks;
    this.view = "overlay";
    this.opacity = 0.6;
    this.highlighted = null;
    this.point = null;
    this.announced = null;
    this.photoLayer = document.createElement("canvas");
    this.labelLayer = document.createElement("canvas");
    // In the next frame, since the new height of the picture changes the size again.
    new ResizeObserver(() => requestAnimationFrame(() => this.#fit())).observe(stage.parentElement);
    window.addEventListener("resize", () => this.#fit());
    this.canvas.addEventListener("pointermove", (event) => this.#followPointer(event));
    this.canvas.addEventListener("pointerdown", (event) => this.#followPointer(event));
    this.canvas.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse") this.#pointAt(null);
    });
    stage.addEventListener("keydown", (event) => this.#moveByKey(event));
    stage.addEventListener("blur", () => this.#pointAt(null));
  }

  /**
   * Shows an image and its label.
   *
   * @param {HTMLCanvasElement | null} photo Upright; null if the browser cannot display it.
   * @param {Label} label
   * @param {(id: number) => string} nameOf
   * @param {boolean} keepsBackground Whether class 0 is transparent.
   */
  show(photo, label, nameOf, keepsBackground) {
    Object.assign(this, { photo, label, nameOf, keepsBackground });
    this.highlighted = null;
    this.#pointAt(null);
    this.canvas.width = 0; // so that everything is redrawn
    this.#fit();
  }

  setView(view) {
    this.view = view;
    this.#recolor();
  }

  setOpacity(opacity) {
    this.opacity = opacity;
    if (this.highlighted === null) this.#draw();
    else this.#recolor();
  }

  /** Highlights a class; null for none. */
  highlight(id) {
    if (this.highlighted === id) return;
    this.highlighted = id;
    this.#recolor();
  }

  #fit() {
    if (!this.label) return;
    const room = this.stage.parentElement.clientWidth;
    const tall = Math.max(MIN_HEIGHT, WINDOW_FRACTION * window.innerHeight);
    const scale = Math.min(room / this.label.width, tall / this.label.height, MAX_SCALE);
    const shown = [this.label.width, this.label.height].map((side) => Math.max(1, Math.round(side * scale)));
    const [width, height] = shown.map((side) => Math.round(side * window.devicePixelRatio));
    [this.canvas.style.width, this.canvas.style.height] = shown.map((side) => `${side}px`);
    if (this.canvas.width === width && this.canvas.height === height) return;
    for (const layer of [this.canvas, this.photoLayer, this.labelLayer]) {
      layer.width = width;
      layer.height = height;
    }
    this.shownIds = this.label.resized(width, height);
    const context = this.photoLayer.getContext("2d");
    context.imageSmoothingQuality = "high";
    if (this.photo) context.drawImage(this.photo, 0, 0, width, height);
    this.#recolor();
    this.#placeCrosshair();
  }

  /** Recolors the label and redraws. */
  #recolor() {
    if (!this.label) return;
    const { width, height } = this.labelLayer;
    const context = this.labelLayer.getContext("2d");
    const image = context.createImageData(width, height);
    const [pixels, colorTable, ids] = [new Uint32Array(image.data.buffer), this.#colorTable(), this.shownIds];
    for (let i = 0; i < pixels.length; i++) pixels[i] = colorTable[ids[i]];
    context.putImageData(image, 0, 0);
    this.#draw();
  }

  /** Returns the RGBA color of each id, in the byte order of a canvas. */
  #colorTable() {
    const colorTable = new Uint8Array(1024);
    const strength = Math.max(MIN_HIGHLIGHT_OPACITY, this.#opacityOfLabel());
    for (let id = 0; id < 256; id++) {
      const color = this.label.colors.subarray(3 * id, 3 * id + 3);
      const isTransparent = id === 0 && this.keepsBackground && this.view !== "label";
      let rgba = [...color, isTransparent ? 0 : 255];
      if (this.highlighted === id) rgba = [...color, isTransparent ? 0 : 255 * strength];
      else if (this.highlighted !== null) rgba = DIMMED;
      colorTable.set(rgba, 4 * id);
    }
    return new Uint32Array(colorTable.buffer);
  }

  #opacityOfLabel() {
    return { image: 0, overlay: this.opacity, label: 1 }[this.view];
  }

  #draw() {
    const context = this.canvas.getContext("2d");
    const { width, height } = this.canvas;
    context.globalAlpha = 1;
    context.clearRect(0, 0, width, height);
    context.drawImage(this.photoLayer, 0, 0);
    context.globalAlpha = this.highlighted === null ? this.#opacityOfLabel() : 1;
    context.drawImage(this.labelLayer, 0, 0);
  }

  #followPointer(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * this.label.width);
    const y = Math.floor(((event.clientY - box.top) / box.height) * this.label.height);
    this.#pointAt(this.#inside(x, y));
  }

  #moveByKey(event) {
    const step = event.shiftKey ? 1 : Math.max(1, Math.round(this.label.width / KEYBOARD_STEPS));
    const [dx, dy] =
      { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [];
    if (event.key === "Escape") this.#pointAt(null);
    if (dx === undefined) return;
    event.preventDefault();
    const { x, y } = this.point ?? {
      x: Math.floor(this.label.width / 2) - dx * step,
      y: Math.floor(this.label.height / 2) - dy * step,
    };
    const id = this.#pointAt(this.#inside(x + dx * step, y + dy * step));
    if (id !== this.announced) this.callbacks.announce(id);
    this.announced = id;
  }

  #inside(x, y) {
    const within = (value, size) => Math.min(Math.max(value, 0), size - 1);
    return { x: within(x, this.label.width), y: within(y, this.label.height) };
  }

  /** Shows the class at a point of the upright image; returns its id. */
  #pointAt(point) {
    this.point = point;
    const id = point ? this.label.at(point.x, point.y) : null;
    if (!point) this.announced = null;
    this.cross.hidden = this.tag.hidden = !point;
    if (point) {
      this.tag.replaceChildren(swatchOf(this.label.color(id)), this.nameOf(id));
      this.#placeCrosshair();
    }
    this.callbacks.pointedAt(id);
    return id;
  }

  /** Moves the crosshair to its point, and the tag to a free place beside it. */
  #placeCrosshair() {
    if (!this.point) return;
    const [wide, tall] = [this.canvas.clientWidth, this.canvas.clientHeight];
    const x = ((this.point.x + 0.5) / this.label.width) * wide;
    const y = ((this.point.y + 0.5) / this.label.height) * tall;
    this.cross.style.transform = `translate(${x}px, ${y}px)`;
    const { offsetWidth, offsetHeight } = this.tag;
    const left = x + 16 + offsetWidth > wide ? x - 16 - offsetWidth : x + 16;
    const top = y - 12 - offsetHeight < 0 ? y + 12 : y - 12 - offsetHeight;
    this.tag.style.transform = `translate(${Math.max(0, left)}px, ${top}px)`;
  }
}
