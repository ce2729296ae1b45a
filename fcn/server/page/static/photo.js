// Decoding images in the browser, always upright.

// Two pixels side by side with EXIF orientation 6, so one above the other when upright. They show whether the
// browser applies the orientation to a format, which the size of an image does not show for four of the eight.
const PROBES = {
  png:
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAAAAADRSSBWAAAAGmVYSWZNTQAqAAAACAABARIAAwAAAAEABgAAAAAAANZnS2kA" +
    "AAALSURBVHicY2BgAAAAAwABuK06YwAAAABJRU5ErkJggg==",
  webp:
    "UklGRk4AAABXRUJQVlA4WAoAAAAIAAAAAQAAAAAAVlA4TA4AAAAvAQAAAAcQEf0PRET/A0VYSUYaAAAATU0AKgAAAAgAAQES" +
    "AAMAAAABAAYAAAAAAAA=",
};
const SIGNATURES = { png: [137, 80, 78, 71], webp: [82, 73, 70, 70] };

/**
 * Decodes an image, scaled down to the size of the screen.
 *
 * @param {Blob} image
 * @returns {Promise<{canvas: HTMLCanvasElement, turned: boolean} | null>} The pixels, and whether the
 *   browser applied the EXIF orientation; null if it does not know the format.
 */
export async function decodePhoto(image) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(image, { imageOrientation: "from-image" });
  } catch {
    return null;
  }
  const most = Math.max(screen.width, screen.height) * window.devicePixelRatio;
  const scale = Math.min(1, most / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return { canvas, turned: await isTurned(image) };
}

/** Returns whether this browser applies the EXIF orientation to the format of an image. */
async function isTurned(image) {
  const start = new Uint8Array(await image.slice(0, 4).arrayBuffer());
  const format = Object.keys(SIGNATURES).find((name) => SIGNATURES[name].every((value, i) => start[i] === value));
  if (format === undefined) return true; // a JPEG, which all browsers turn, or a format without EXIF
  const bytes = Uint8Array.from(atob(PROBES[format]), (character) => character.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes]), { imageOrientation: "from-image" });
  return bitmap.height === 2;
}

/**
 * Returns a decoded image, turned upright.
 *
 * @param {{canvas: HTMLCanvasElement, turned: boolean}} decoded
 * @param {number} orientation EXIF orientation, 1 to 8.
 */
export function upright({ canvas, turned }, orientation) {
  const { width, height } = canvas;
  // Moves (x, y) to (ax + cy + e, bx + dy + f), as [a, b, c, d, e, f].
  const turn = {
    2: [-1, 0, 0, 1, width, 0],
    3: [-1, 0, 0, -1, width, height],
    4: [1, 0, 0, -1, 0, height],
    5: [0, 1, 1, 0, 0, 0],
    6: [0, 1, -1, 0, height, 0],
    7: [0, -1, -1, 0, height, width],
    8: [0, -1, 1, 0, 0, width],
  }[orientation];
  if (turned || turn === undefined) return canvas;
  const result = document.createElement("canvas");
  [result.width, result.height] = orientation >= 5 ? [height, width] : [width, height];
  const context = result.getContext("2d");
  context.setTransform(...turn);
  context.drawImage(canvas, 0, 0);
  return result;
}
