// The picture: the photograph with its label laid over it, and the class at a point of it.

import { swatchOf } from "./legend.js";

const MOST_ENLARGED = 6;
const LEAST_HEIGHT = 260;
const SHARE_OF_WINDOW = 0.74;
const STEPS = 40; // of the crosshair, from one side to the other
// What is not highlighted stays visible below this.
const VEIL = [16, 19, 23, 200];
const LEAST_HIGHLIGHT = 0.55;

/**
 * Draws on a canvas that has as many pixels as the screen shows of it, however large the photograph is.
 */
export class Picture {
  /**
   * @param {HTMLElement} stage What takes the focus: holds a canvas, a crosshair and a tag for the class.
   * @param {object} told `read(id)` is called with the class under the pointer, null for none;
   *   `spoken(id)` where that comes from the keyboard.
   */
  constructor(stage, told) {
    this.stage = stage;
    this.canvas = stage.querySelector("canvas");
    this.cross = stage.querySelector(".cross");
    this.tag = stage.querySelector(".tag");
    this.told = told;
    this.view = "overlay";
    this.opacity = 0.6;
    this.highlighted = null;
    this.point = null;
    this.spoken = null;
    this.photoLayer = document.createElement("canvas");
    this.labelLayer = document.createElement("canvas");
    // In the next frame: the new height of the picture is a change of size again.
    new ResizeObserver(() => requestAnimationFrame(() => this.#fit())).observe(stage.parentElement);
    window.addEventListener("resize", () => this.#fit());
    this.canvas.addEventListener("pointermove", (event) => this.#follow(event));
    this.canvas.addEventListener("pointerdown", (event) => this.#follow(event));
    this.canvas.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse") this.#read(null);
    });
    stage.addEventListener("keydown", (event) => this.#move(event));
    stage.addEventListener("blur", () => this.#read(null));
  }

  /**
   * Shows a photograph and its label.
   *
   * @param {HTMLCanvasElement | null} photo Upright; null where the browser cannot show it.
   * @param {Label} label
   * @param {(id: number) => string} nameOf
   * @param {boolean} keepsBackground Whether class 0 stays as it is in the photograph.
   */
  show(photo, label, nameOf, keepsBackground) {
    Object.assign(this, { photo, label, nameOf, keepsBackground });
    this.highlighted = null;
    this.#read(null);
    this.canvas.width = 0; // whatever its size was, all is drawn anew
    this.#fit();
  }

  setView(view) {
    this.view = view;
    this.#color();
  }

  setOpacity(opacity) {
    this.opacity = opacity;
    if (this.highlighted === null) this.#draw();
    else this.#color();
  }

  /** Lets a class stand out; null for none. */
  highlight(id) {
    if (this.highlighted === id) return;
    this.highlighted = id;
    this.#color();
  }

  #fit() {
    if (!this.label) return;
    const room = this.stage.parentElement.clientWidth;
    const tall = Math.max(LEAST_HEIGHT, SHARE_OF_WINDOW * window.innerHeight);
    const scale = Math.min(room / this.label.width, tall / this.label.height, MOST_ENLARGED);
    const shown = [this.label.width, this.label.height].map((side) => Math.max(1, Math.round(side * scale)));
    const [width, height] = shown.map((side) => Math.round(side * window.devicePixelRatio));
    [this.canvas.style.width, this.canvas.style.height] = shown.map((side) => `${side}px`);
    if (this.canvas.width === width && this.canvas.height === height) return;
    for (const layer of [this.canvas, this.photoLayer, this.labelLayer]) {
      layer.width = width;
      layer.height = height;
    }
    this.shownIds = this.label.resized(width, height);
    const paper = this.photoLayer.getContext("2d");
    paper.imageSmoothingQuality = "high";
    if (this.photo) paper.drawImage(this.photo, 0, 0, width, height);
    this.#color();
    this.#place();
  }

  /** Colors the label anew, and draws. */
  #color() {
    if (!this.label) return;
    const { width, height } = this.labelLayer;
    const paper = this.labelLayer.getContext("2d");
    const image = paper.createImageData(width, height);
    const [pixels, paints, ids] = [new Uint32Array(image.data.buffer), this.#paints(), this.shownIds];
    for (let i = 0; i < pixels.length; i++) pixels[i] = paints[ids[i]];
    paper.putImageData(image, 0, 0);
    this.#draw();
  }

  /** Returns red, green, blue and opacity for each id, as a canvas stores them. */
  #paints() {
    const paints = new Uint8Array(1024);
    const strength = Math.max(LEAST_HIGHLIGHT, this.#opacityOfLabel());
    for (let id = 0; id < 256; id++) {
      const color = this.label.colors.subarray(3 * id, 3 * id + 3);
      const bare = id === 0 && this.keepsBackground && this.view !== "label";
      let paint = [...color, bare ? 0 : 255];
      if (this.highlighted === id) paint = [...color, bare ? 0 : 255 * strength];
      else if (this.highlighted !== null) paint = VEIL;
      paints.set(paint, 4 * id);
    }
    return new Uint32Array(paints.buffer);
  }

  #opacityOfLabel() {
    return { photograph: 0, overlay: this.opacity, label: 1 }[this.view];
  }

  #draw() {
    const paper = this.canvas.getContext("2d");
    const { width, height } = this.canvas;
    paper.globalAlpha = 1;
    paper.clearRect(0, 0, width, height);
    paper.drawImage(this.photoLayer, 0, 0);
    paper.globalAlpha = this.highlighted === null ? this.#opacityOfLabel() : 1;
    paper.drawImage(this.labelLayer, 0, 0);
  }

  #follow(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * this.label.width);
    const y = Math.floor(((event.clientY - box.top) / box.height) * this.label.height);
    this.#read(this.#inside(x, y));
  }

  #move(event) {
    const step = event.shiftKey ? 1 : Math.max(1, Math.round(this.label.width / STEPS));
    const [dx, dy] =
      { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [];
    if (event.key === "Escape") this.#read(null);
    if (dx === undefined) return;
    event.preventDefault();
    const { x, y } = this.point ?? {
      x: Math.floor(this.label.width / 2) - dx * step,
      y: Math.floor(this.label.height / 2) - dy * step,
    };
    const id = this.#read(this.#inside(x + dx * step, y + dy * step));
    if (id !== this.spoken) this.told.spoken(id);
    this.spoken = id;
  }

  #inside(x, y) {
    const within = (value, size) => Math.min(Math.max(value, 0), size - 1);
    return { x: within(x, this.label.width), y: within(y, this.label.height) };
  }

  /** Reads the class at a point of the upright photograph; returns its id. */
  #read(point) {
    this.point = point;
    const id = point ? this.label.at(point.x, point.y) : null;
    if (!point) this.spoken = null;
    this.cross.hidden = this.tag.hidden = !point;
    if (point) {
      this.tag.replaceChildren(swatchOf(this.label.color(id)), this.nameOf(id));
      this.#place();
    }
    this.told.read(id);
    return id;
  }

  /** Puts the crosshair on its point, and the tag beside it where there is room. */
  #place() {
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
