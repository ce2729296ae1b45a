// Labels: class ids of the server's PNG.

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const PALETTE = 3;

/**
 * A label.
 *
 * `shares` are [id, area from 0 to 1] of each class that occurs, the largest first.
 */
export class Label {
  /**
   * @param {Uint8Array} ids Class ids, `width * height` of them.
   * @param {Uint8Array} colors RGB of all 256 values.
   */
  constructor(ids, width, height, colors) {
    this.ids = ids;
    this.width = width;
    this.height = height;
    this.colors = colors;
    this.shares = count(ids);
  }

  /** Returns the class id at (x, y), x to the right and y down. */
  at(x, y) {
    return this.ids[x + y * this.width];
  }

  /** Shows classes in other colors: [red, green, blue] of each, in the order of the ids. */
  recolor(palette) {
    palette.forEach((color, id) => this.colors.set(color, 3 * id));
  }

  /** Returns the color of a class id in CSS. */
  color(id) {
    return `rgb(${this.colors.slice(3 * id, 3 * id + 3).join(" ")})`;
  }

  /** Returns the ids at another size, `Uint8Array`, by nearest neighbor. */
  resized(width, height) {
    const { ids } = this;
    const columns = sampleOffsets(width, this.width, 1);
    const rows = sampleOffsets(height, this.height, this.width);
    const result = new Uint8Array(width * height);
    let next = 0;
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) result[next++] = ids[rows[y] + columns[x]];
    }
    return result;
  }
}

function count(ids) {
  const counts = new Uint32Array(256);
  for (let i = 0; i < ids.length; i++) counts[ids[i]]++;
  return Array.from(counts, (number, id) => [id, number / ids.length])
    .filter(([, share]) => share > 0)
    .sort((one, other) => other[1] - one[1] || one[0] - other[0]);
}

/** Returns the offsets of the nearest source pixels when `from` pixels, `step` apart, become `size`. */
function sampleOffsets(size, from, step) {
  return Int32Array.from({ length: size }, (_, i) => Math.floor(((i + 0.5) * from) / size) * step);
}

/**
 * Reads a label from the server's palette PNG: the ids, not the colors, which classes may share.
 *
 * A canvas returns only colors, and browsers that protect against fingerprinting change them.
 *
 * @param {ArrayBuffer} buffer The PNG.
 */
export async function readLabel(buffer) {
  const bytes = new Uint8Array(buffer);
  const view = new DataView(buffer);
  if (SIGNATURE.some((value, i) => bytes[i] !== value)) throw new Error("Expected a PNG from the server.");
  const compressed = [];
  const colors = new Uint8Array(768).fill(128);
  let width = 0;
  let height = 0;
  for (let at = SIGNATURE.length; at < bytes.length; ) {
    const length = view.getUint32(at);
    const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const start = at + 8;
    const content = bytes.subarray(start, start + length);
    if (name === "IHDR") {
      width = view.getUint32(start);
      height = view.getUint32(start + 4);
      const [depth, type, , , interlaced] = content.subarray(8);
      if (depth !== 8 || type !== PALETTE || interlaced) {
        throw new Error("Expected a palette PNG of 8 bits from the server.");
      }
    }
    if (name === "PLTE") colors.set(content);
    if (name === "IDAT") compressed.push(content);
    at = start + length + 4;
  }
  const lines = await inflate(compressed, (width + 1) * height);
  return new Label(unfilter(lines, width, height), width, height, colors);
}

async function inflate(parts, size) {
  const lines = new Uint8Array(size);
  const reader = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  let filled = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    lines.set(part.value, filled);
    filled += part.value.length;
  }
  if (filled !== size) throw new Error("Expected a complete PNG from the server.");
  return lines;
}

/**
 * Undoes the line filters of a PNG with one byte per pixel.
 *
 * Source: PNG specification, third edition, 9.2.
 */
export function unfilter(lines, width, height) {
  const ids = new Uint8Array(width * height);
  const zeros = new Uint8Array(width);
  for (let y = 0; y < height; y++) {
    const filter = lines[y * (width + 1)];
    const line = lines.subarray(y * (width + 1) + 1, (y + 1) * (width + 1));
    const row = ids.subarray(y * width, (y + 1) * width);
    const above = y > 0 ? ids.subarray((y - 1) * width, y * width) : zeros;
    if (filter === 0) row.set(line);
    else if (filter === 1) for (let x = 0; x < width; x++) row[x] = line[x] + (x > 0 ? row[x - 1] : 0);
    else if (filter === 2) for (let x = 0; x < width; x++) row[x] = line[x] + above[x];
    else if (filter === 3) {
      for (let x = 0; x < width; x++) row[x] = line[x] + (((x > 0 ? row[x - 1] : 0) + above[x]) >> 1);
    } else if (filter === 4) {
      for (let x = 0; x < width; x++) {
        row[x] = line[x] + (x > 0 ? paeth(row[x - 1], above[x], above[x - 1]) : above[x]);
      }
    } else throw new Error("Expected a PNG filter from 0 to 4.");
  }
  return ids;
}

/** Returns whichever of left, up and corner is nearest to left + up - corner (Paeth). */
function paeth(left, up, corner) {
  const toLeft = Math.abs(up - corner);
  const toUp = Math.abs(left - corner);
  const toCorner = Math.abs(left + up - 2 * corner);
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}
