// Shows a stream by WebCodecs: decoded at once, the newest picture painted when the browser paints, the rest let go.
const MOST_WAITING = 300;

export class CanvasScreen {
  /** `onPaint(time_us)` after each painted picture; `onTrouble()` when a key frame is needed; `onFree()` as frames leave the decoder. */
  constructor({ onPaint, onTrouble, onFree }) {
    Object.assign(this, { onPaint, onTrouble, onFree });
    this.element = document.createElement('canvas');
    this.context = this.element.getContext('2d', { alpha: false });
    this.paint = this.paint.bind(this);
    this.newest = null;
  }

  /** Whether this browser decodes `codec` in this way; outside of a secure context none does. */
  static async canPlay(codec) {
    if (!globalThis.VideoDecoder) return false;
    try { return (await VideoDecoder.isConfigSupported({ codec })).supported; } catch { return false; }
  }

  /** Frames given to the decoder that it has not worked on yet. */
  get backlog() { return this.decoder?.decodeQueueSize ?? 0; }

  /** Begin a stream; what is shown stays until its first picture. */
  start(init) {
    if (this.decoder && this.codec === init.codec && !this.waitsForKey) return;
    this.codec = init.codec;
    this.renew();
  }

  renew() {
    if (this.decoder && this.decoder.state !== 'closed') this.decoder.close();
    const decoder = new VideoDecoder({
      output: (picture) => { if (decoder === this.decoder) this.keep(picture); else picture.close(); },
      error: () => { if (decoder === this.decoder) { this.renew(); this.onTrouble(); } },
    });
    decoder.ondequeue = () => this.onFree();
    decoder.configure({ codec: this.codec, optimizeForLatency: true });
    this.decoder = decoder;
    this.waitsForKey = true;
  }

  take(frame, isKey) {
    if (!this.decoder || (this.waitsForKey && !isKey)) return;
    if (this.backlog > MOST_WAITING) { this.renew(); this.onTrouble(); return; }
    this.waitsForKey = false;
    const chunk = new EncodedVideoChunk({ type: isKey ? 'key' : 'delta', timestamp: frame.time_us, data: frame.payload });
    // What calls itself a key frame and is none is refused at once.
    try { this.decoder.decode(chunk); } catch { this.renew(); this.onTrouble(); }
  }

  keep(picture) {
    if (this.newest) this.newest.close();
    else requestAnimationFrame(this.paint);
    this.newest = picture;
  }

  paint() {
    const picture = this.newest;
    this.newest = null;
    if (!picture) return;
    const { displayWidth: width, displayHeight: height } = picture;
    if (this.element.width !== width || this.element.height !== height) Object.assign(this.element, { width, height });
    this.context.drawImage(picture, 0, 0, width, height);
    this.onPaint(picture.timestamp);
    picture.close();
  }

  close() {
    if (this.decoder && this.decoder.state !== 'closed') this.decoder.close();
    this.decoder = null;
    this.newest?.close();
    this.newest = null;
  }
}
