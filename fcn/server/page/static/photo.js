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
const ORIENTATION = 0x112;

/**
 * Decodes an image upright, scaled down to the size of the screen.
 *
 * @param {Blob} image
 * @returns {Promise<HTMLCanvasElement | null>} The pixels; null if the browser does not know the format.
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
  return upright(canvas, await orientationLeft(image));
}

/** Returns the EXIF orientation of an image that this browser did not apply, 1 to 8. */
async function orientationLeft(image) {
  const start = new Uint8Array(await image.slice(0, 4).arrayBuffer());
  const format = Object.keys(SIGNATURES).find((name) => SIGNATURES[name].every((value, i) => start[i] === value));
  if (format === undefined) return 1; // a JPEG, which all browsers turn, or a format without EXIF
  const bytes = Uint8Array.from(atob(PROBES[format]), (character) => character.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes]), { imageOrientation: "from-image" });
  if (bitmap.height === 2) return 1;
  try {
    return readOrientation(new DataView(await image.arrayBuffer()), format);
  } catch (error) {
    if (error instanceof RangeError) return 1; // it ends too early
    throw error;
  }
}

/** Returns the EXIF orientation of a PNG or WebP, 1 to 8. */
function readOrientation(view, format) {
  const isPng = format === "png";
  for (let at = isPng ? 8 : 12; at + 8 <= view.byteLength; ) {
    const length = isPng ? view.getUint32(at) : view.getUint32(at + 4, true);
    const name = view.getUint32(isPng ? at + 4 : at);
    if (name === (isPng ? 0x65584966 : 0x45584946)) return orientationOf(view, at + 8); // eXIf, EXIF
    at += isPng ? length + 12 : length + (length % 2) + 8;
  }
  return 1;
}

/** Returns the orientation in an EXIF block (EXIF 2.3, 4.5 and 4.6). */
function orientationOf(view, start) {
  const block = view.getUint32(start) === 0x45786966 ? start + 6 : start; // after "Exif\0\0"
  const little = view.getUint16(block) === 0x4949; // "II"
  const directory = block + view.getUint32(block + 4, little);
  for (let i = 0; i < view.getUint16(directory, little); i++) {
    const entry = directory + 2 + 12 * i;
    if (view.getUint16(entry, little) === ORIENTATION) return view.getUint16(entry + 8, little);
  }
  return 1;
}

/** Returns pixels turned by an EXIF orientation. */
function upright(canvas, orientation) {
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
  if (turn === undefined) return canvas;
  const result = document.createElement("canvas");
  [result.width, result.height] = orientation >= 5 ? [height, width] : [width, height];
  const context = result.getContext("2d");
  context.setTransform(...turn);
  context.drawImage(canvas, 0, 0);
  return result;
}
