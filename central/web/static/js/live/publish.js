// This browser's camera into a session: encoded only while somebody looks, small enough for a thin line.
import { now } from '../time.js';
import { _ } from '../words.js';
import { closeStream, openDevices } from './devices.js';
import { Line } from './line.js';
import { framesOf } from './camera-frames.js';
import { KEY, VIDEO, WANTS_ACK, ACK, pack, packInit } from './wire.js';

const FPS = 15, MOST_BPS = 400000, LEAST_BPS = 80000, WIDTH = 640, HEIGHT = 360;
const KEY_MS = 1000, LATE_MS = 600, GOOD_MS = 6000, DEAD_MS = 2500;
// Baseline H.264 is what every relay, wall and conference system takes; the others are for browsers without it.
const CODECS = [['avc1.42001f', { avc: { format: 'annexb' } }], ['vp09.00.10.08', {}], ['vp8', {}]];

export class Publisher {
  /** `video`: element for the preview; `onChange()` at each change of what stands here. Codecs: in order of liking. */
  constructor({ address, video, onChange = () => {}, codecs = CODECS }) {
    Object.assign(this, { video, onChange, codecs });
    Object.assign(this, { state: 'away', words: _('摄像头未开'), isWanted: false, isLate: false, codec: '', seq: 0, sent: 0, bps: MOST_BPS });
    this.waiting = new Map(); // sequence -> when it was handed over
    this.line = new Line(address, {
      onFrame: (frame) => { if (frame.type === ACK) this.settle(frame.seq); },
      onControl: (message) => this.obey(message),
      onState: (state, words) => this.stand(state, words),
    });
  }

  /** Raises DeviceError. */
  async start() {
    this.stream = await openDevices({ picture: true });
    this.track = this.stream.getVideoTracks()[0];
    this.track.addEventListener('ended', () => this.stop(_('摄像头已断开；请接好后重新开启。')));
    this.video.srcObject = this.stream;
    await this.video.play().catch(() => {}); // a preview that does not play hinders nothing
    this.config = await this.choose();
    if (!this.config) throw new Error(_('浏览器不能编码视频；请换用新版浏览器。'));
    this.codec = this.config.codec;
    this.line.open();
    this.read();
  }

  async choose() {
    for (const [codec, extra] of this.codecs) {
      const config = { codec, width: WIDTH, height: HEIGHT, bitrate: MOST_BPS, framerate: FPS, latencyMode: 'realtime', ...extra };
      try { if ((await VideoEncoder.isConfigSupported(config)).supported) return config; } catch { /* the next one */ }
    }
    return null;
  }

  async read() {
    let due_ms = 0;
    for await (const frame of framesOf(this.track, this.video)) {
      const at_ms = performance.now();
      if (at_ms >= due_ms) {
        due_ms = Math.max(due_ms + 1000 / FPS, at_ms - 1000 / FPS);
        this.judge(at_ms);
        if (this.isWanted && !this.isLate) this.encode(frame, at_ms);
      }
      frame.close();
      if (this.line.isOver) return;
    }
  }

  encode(frame, at_ms) {
    const size = fit(frame.displayWidth, frame.displayHeight), told = `${size.width}x${size.height}@${this.bps}`;
    try {
      if (this.encoder?.state !== 'configured') this.renew();
      if (told !== this.configured) {
        this.encoder.configure({ ...this.config, ...size, bitrate: this.bps });
        if (!this.configured?.startsWith(`${size.width}x${size.height}@`)) this.line.send(packInit({ codec: this.codec, ...size, fps: FPS }));
        this.configured = told;
        this.needsKey = true;
      }
      if (this.encoder.encodeQueueSize > 2) return;
      const keyFrame = this.needsKey || at_ms - this.keyAt >= KEY_MS;
      if (keyFrame) { this.keyAt = at_ms; this.needsKey = false; }
      this.encoder.encode(frame, { keyFrame });
    } catch { this.encoder = null; }
  }

  renew() {
    this.encoder = new VideoEncoder({ output: (chunk) => this.tell(chunk), error: () => { this.encoder = null; } });
    this.configured = '';
  }

  tell(chunk) {
    if (!this.isWanted || !this.line.isOpen) return;
    const bytes = new Uint8Array(chunk.byteLength);
    chunk.copyTo(bytes);
    this.seq += 1;
    this.sent += 1;
    this.waiting.set(this.seq, performance.now());
    this.line.send(pack(VIDEO, bytes, { flags: WANTS_ACK | (chunk.type === 'key' ? KEY : 0), seq: this.seq, time_us: now() * 1000 }));
  }

  settle(seq) {
    for (const known of this.waiting.keys()) {
      if (known > seq) break;
      this.waiting.delete(known);
    }
  }

  /** What is unacknowledged for too long means a full line: wait until it is through, then go on with less. */
  judge(at_ms) {
    const oldest_ms = this.waiting.size ? at_ms - this.waiting.values().next().value : 0;
    if (oldest_ms > DEAD_MS) {
      this.waiting.clear();
      this.line.again();
    } else if (oldest_ms > LATE_MS && !this.isLate) {
      this.isLate = true;
      this.pace(0.6, at_ms);
    } else if (this.isLate && this.waiting.size === 0) {
      this.isLate = false;
      this.needsKey = true;
    } else if (!this.isLate && this.bps < MOST_BPS && at_ms - this.pacedAt > GOOD_MS) {
      this.pace(1.3, at_ms);
    }
  }

  pace(factor, at_ms) {
    this.bps = Math.round(Math.min(MOST_BPS, Math.max(LEAST_BPS, this.bps * factor)));
    this.pacedAt = at_ms;
    this.line.tell('told', { kbps: Math.round(this.bps / 1000), note: this.bps < MOST_BPS ? 'thin' : '' });
    this.onChange();
  }

  obey(message) {
    if (message.type !== 'want') return;
    const isWanted = (message.streams ?? []).length > 0;
    if (isWanted && !this.isWanted) this.configured = ''; // the relay has forgotten how to decode what it did not want
    if (message.key) this.needsKey = true;
    if (!isWanted) this.waiting.clear();
    this.isWanted = isWanted;
    this.onChange();
  }

  stand(state, words) {
    Object.assign(this, { state, words });
    Object.assign(this, { isWanted: false, isLate: false, configured: '' });
    this.waiting.clear();
    if (state === 'over') this.close();
    this.onChange();
  }

  stop(words = _('摄像头已关')) {
    this.line.close();
    Object.assign(this, { state: 'away', words, isWanted: false });
    this.close();
    this.onChange();
  }

  close() {
    closeStream(this.stream);
    this.video.srcObject = null;
    if (this.encoder && this.encoder.state !== 'closed') this.encoder.close();
    this.encoder = null;
  }
}

/** The largest even size within 640x360 (or upright) that keeps the picture's shape. */
export function fit(width, height) {
  const [most, least] = width >= height ? [WIDTH, HEIGHT] : [HEIGHT, WIDTH];
  const scale = Math.min(most / width, least / height, 1);
  return { width: Math.max(2, Math.round(width * scale / 2) * 2), height: Math.max(2, Math.round(height * scale / 2) * 2) };
}
