// The webcam: asked for, drawn into a video element, and grabbed as pixels in the form that a model wants.

export class CameraError extends Error {}

const REASONS = {
  NotAllowedError: "The camera was refused: allow it for this page in the browser's settings, then start it again.",
  NotFoundError: "No camera was found: connect one, then start it again.",
  NotReadableError: "The camera is taken by another program: close that, then start it again.",
  OverconstrainedError: "No camera gives the pictures this page needs.",
};

const canvas = new OffscreenCanvas(1, 1);
const context = canvas.getContext("2d", { willReadFrequently: true });

/** Starts the webcam on a video element; onEnd is called if the camera goes away. */
export async function startCamera(video, onEnd) {
  if (!navigator.mediaDevices) {
    throw new CameraError("Browsers give the camera only to pages from https:// or http://localhost.");
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 }, height: { ideal: 480 } } });
  } catch (error) {
    throw new CameraError(REASONS[error.name] ?? `The camera cannot be opened: ${error.message}`);
  }
  stream.getVideoTracks()[0].addEventListener("ended", onEnd);
  video.srcObject = stream;
  await video.play();
}

export function stopCamera(video) {
  for (const track of video.srcObject?.getTracks() ?? []) {
    track.stop();
  }
  video.srcObject = null;
}

/** Calls back once, when the camera's next frame is there. */
export function onNextFrame(video, callback) {
  if (video.requestVideoFrameCallback) {
    video.requestVideoFrameCallback(callback);
  } else {
    requestAnimationFrame(callback);
  }
}

/**
 * Grabs the current frame for a model's input: {pixels, height, width, image}.
 *
 * A fixed size stretches the picture, as hebbstream's own readers do unless told otherwise. pixels has channels last;
 * one channel is brightness by ITU-R BT.601. image is the same picture as ImageData, to be shown.
 */
export function grab(video, input) {
  const height = input.height ?? video.videoHeight;
  const width = input.width ?? video.videoWidth;
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
    context.imageSmoothingQuality = "high"; // resizing a canvas resets its context
  }
  context.drawImage(video, 0, 0, width, height);
  const image = context.getImageData(0, 0, width, height);
  const rgba = image.data;
  const pixels = new Uint8Array(height * width * input.channels);
  if (input.channels === 1) {
    for (let i = 0; i < pixels.length; i++) {
      pixels[i] = Math.round(0.299 * rgba[4 * i] + 0.587 * rgba[4 * i + 1] + 0.114 * rgba[4 * i + 2]);
      rgba.fill(pixels[i], 4 * i, 4 * i + 3);
    }
  } else {
    for (let from = 0, to = 0; to < pixels.length; from += 4, to += 3) {
      pixels[to] = rgba[from];
      pixels[to + 1] = rgba[from + 1];
      pixels[to + 2] = rgba[from + 2];
    }
  }
  return { pixels, height, width, image };
}
