// The legend: the classes of an image with their colors and areas.

/** Formats the share of a class that is there, 0 to 1, in percent; 0 is one that was rounded to it. */
export function percent(share) {
  return share < 0.001 ? "< 0.1%" : `${(100 * share).toFixed(1)}%`;
}

/**
 * A list of classes. Hovering over or focusing an entry highlights the class; pressing it pins the highlight.
 */
export class Legend {
  /**
   * @param {HTMLElement} list Element for the entries.
   * @param {(id: number | null) => void} highlight Called with the class to highlight, null for none.
   */
  constructor(list, highlight) {
    this.list = list;
    this.highlight = highlight;
    this.pinned = null;
    this.entries = new Map();
  }

  /**
   * Shows the classes of a label.
   *
   * @param {Label} label
   * @param {(id: number) => string} nameOf
   */
  show(label, nameOf) {
    this.pinned = null;
    this.entries.clear();
    this.list.replaceChildren(
      ...label.shares.map(([id, share]) => this.#entry(id, nameOf(id), share, label.color(id))),
    );
  }

  /** Marks the class under the pointer; null for none. */
  mark(id) {
    for (const [other, button] of this.entries) button.classList.toggle("read", other === id);
  }

  #entry(id, name, share, color) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "class";
    button.setAttribute("aria-pressed", "false");
    const swatch = swatchOf(color);
    const words = document.createElement("span");
    words.className = "name";
    words.textContent = name;
    const area = document.createElement("span");
    area.className = "area";
    area.textContent = percent(share);
    const bar = document.createElement("span");
    bar.className = "bar";
    const length = document.createElement("i");
    length.style.width = `${100 * share}%`;
    bar.append(length);
    button.append(swatch, words, area, bar);
    button.addEventListener("pointerenter", () => this.highlight(id));
    button.addEventListener("focus", () => this.highlight(id));
    button.addEventListener("pointerleave", () => this.highlight(this.pinned));
    button.addEventListener("blur", () => this.highlight(this.pinned));
    button.addEventListener("click", () => this.#pin(this.pinned === id ? null : id));
    this.entries.set(id, button);
    const item = document.createElement("li");
    item.append(button);
    return item;
  }

  #pin(id) {
    this.pinned = id;
    for (const [other, button] of this.entries) button.setAttribute("aria-pressed", String(other === id));
    this.highlight(id);
  }
}

/** Returns a color swatch. */
export function swatchOf(color) {
  const swatch = document.createElement("span");
  swatch.className = "swatch";
  swatch.style.background = color;
  return swatch;
}
