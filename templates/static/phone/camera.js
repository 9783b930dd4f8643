// Reading QR codes: from the camera, and from a picture. The browser's own
// detector is used where there is one, else the decoder in qr/.
import { decodeQR } from './qr/decode.js';

const EVERY = 120; // ms between two looks
const FRAME = 720; // px of the longer side that is looked at
const PICTURE = 1600;

let native;

// detector is the browser's own, or null.
function detector() {
  native ??= (async () => {
    try {
      const formats = await globalThis.BarcodeDetector.getSupportedFormats();
      return formats.includes('qr_code') ? new BarcodeDetector({ formats: ['qr_code'] }) : null;
    } catch {
      return null;
    }
  })();
  return native;
}

const canvas = document.createElement('canvas');
const pen = canvas.getContext('2d', { willReadFrequently: true });

function decode(source, width, height, limit, effort) {
  const scale = Math.min(1, limit / Math.max(width, height));
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  pen.drawImage(source, 0, 0, canvas.width, canvas.height);
  const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
  try {
    return decodeQR({ width: canvas.width, height: canvas.height, data }, effort);
  } catch {
    return ''; // nothing to be read in it
  }
}

async function look(source, width, height, limit, effort) {
  const own = await detector();
  if (own) {
    try {
      const found = await own.detect(source);
      if (found.length > 0) { return found[0].rawValue; }
    } catch { /* it may be there and not work: the other one does */ }
  }
  return decode(source, width, height, limit, effort);
}

// hasCamera tells whether it is worth asking for one.
export function hasCamera() { return Boolean(navigator.mediaDevices?.getUserMedia); }

// scan shows the camera in the video element and resolves to the first text
// that accept takes. Aborting ends it, and switches the camera off.
export async function scan(video, accept, signal) {
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: false, video: { facingMode: { ideal: 'environment' }, width: { ideal: 1280 }, height: { ideal: 720 } },
  });
  const off = () => {
    for (const track of stream.getTracks()) { track.stop(); }
    video.srcObject = null;
  };
  try {
    signal.throwIfAborted();
    video.srcObject = stream;
    await video.play();
    for (;;) {
      signal.throwIfAborted();
      if (video.videoWidth > 0) {
        const text = await look(video, video.videoWidth, video.videoHeight, FRAME);
        signal.throwIfAborted();
        if (text && accept(text)) { return text; }
      }
      await new Promise((resolve) => { setTimeout(resolve, EVERY); });
    }
  } finally {
    off();
  }
}

// picture reads a picture file; empty if there is no code in it.
export async function picture(file) {
  const bitmap = await createImageBitmap(file);
  try {
    for (const limit of [FRAME, PICTURE]) {
      const text = await look(bitmap, bitmap.width, bitmap.height, limit, { effort: 4, timeLimit: 1500 });
      if (text) { return text; }
    }
    return '';
  } finally {
    bitmap.close();
  }
}
