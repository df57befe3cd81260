// Small pictures of photos, made one at a time, so that large photos are in memory one at a time.

const HEIGHT = 448;

let last = Promise.resolve();

// The address of a small picture, to be revoked by whoever asked, or null if it cannot be shown.
export function preview(file) {
  last = last.then(() => shrink(file)).catch(() => null);
  return last;
}

async function shrink(file) {
  const whole = await createImageBitmap(file);
  try {
    const scale = Math.min(1, HEIGHT / whole.height, (2 * HEIGHT) / whole.width);
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(whole.width * scale));
    canvas.height = Math.max(1, Math.round(whole.height * scale));
    canvas.getContext("2d").drawImage(whole, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/webp", 0.85));
    return blob && URL.createObjectURL(blob);
  } finally {
    whole.close();
  }
}
