// The browser's own camera: its pictures go to the server as JPEG, at most two on their way.

const WIDTH = 480;
const QUALITY = 0.85;
const MOST_IN_FLIGHT = 2;
const INTERVAL_MS = 50;

const REASONS = {
  NotAllowedError: "The camera was refused: allow it for this page in the browser’s settings.",
  NotFoundError: "No camera was found: connect one, then try again.",
  NotReadableError: "The camera is taken by another program: close that, then try again.",
};

/** Why the camera cannot be had here, or nothing. */
export function whyNot() {
  if (!window.isSecureContext || !navigator.mediaDevices) {
    return `Browsers give their camera only to pages from https:// or localhost, and this one came from ${location.origin}.`;
  }
  return "";
}

export class Camera {
  constructor(link, onEnd) {
    this.link = link;
    this.onEnd = onEnd;
    this.video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });
    this.canvas = document.createElement("canvas");
    this.flying = 0;
    this.timer = null;
  }

  get running() {
    return this.timer !== null;
  }

  async start() {
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 }, height: { ideal: 480 } } });
    } catch (error) {
      throw new Error(REASONS[error.name] ?? `The camera cannot be opened: ${error.message}`);
    }
    this.stream.getVideoTracks()[0].addEventListener("ended", () => this.end("The camera is gone."));
    this.video.srcObject = this.stream;
    try {
      await this.video.play();
    } catch (error) {
      this.stop();
      throw error;
    }
    this.flying = 0;
    this.timer = setInterval(() => this.send(), INTERVAL_MS);
  }

  send() {
    const { video, canvas } = this;
    if (!video.videoWidth || this.flying >= MOST_IN_FLIGHT || this.link.socket.readyState !== WebSocket.OPEN) {
      return;
    }
    this.flying += 1;
    canvas.width = WIDTH;
    canvas.height = Math.round((WIDTH * video.videoHeight) / video.videoWidth);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    canvas.toBlob(async (blob) => this.link.socket.send(await blob.arrayBuffer()), "image/jpeg", QUALITY);
  }

  /** The server has taken a picture, or says why not. */
  answered({ error }) {
    this.flying = Math.max(0, this.flying - 1);
    if (error && this.running) {
      this.end(error);
    }
  }

  /** After a lost connection nothing is on its way. */
  reconnected() {
    this.flying = 0;
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    for (const track of this.stream?.getTracks() ?? []) {
      track.stop();
    }
    this.video.srcObject = null;
  }

  end(reason = "") {
    this.stop();
    this.onEnd(reason);
  }
}
