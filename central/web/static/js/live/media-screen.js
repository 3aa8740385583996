// Shows a stream by Media Source Extensions, where there is no WebCodecs: one frame a fragment, kept at the live edge.
import { findSets, makeFragment, makeInit, nameCodec, splitUnits } from './mux.js';

const SCALE = 90000, FIRST_LENGTH = 3600, LONGEST = 9000, HELD_S = 20, KEPT_S = 8, EDGE_S = 0.06, LEAP_S = 0.6, MOST_WAITING = 300;

export class MediaScreen {
  /** As CanvasScreen. */
  constructor({ onPaint, onTrouble, onFree }) {
    Object.assign(this, { onPaint, onTrouble, onFree });
    this.element = document.createElement('video');
    Object.assign(this.element, { muted: true, playsInline: true, disablePictureInPicture: true });
    this.element.addEventListener('error', () => { if (this.source) this.restart(); });
    this.watchPaints();
  }

  static async canPlay(codec) {
    return codec.startsWith('avc1.') && Boolean(globalThis.MediaSource?.isTypeSupported(`video/mp4; codecs="${codec}"`));
  }

  get backlog() { return this.waiting?.length ?? 0; }

  start(init) {
    this.init = init;
    this.codec = init.codec;
    if (!this.source) this.open();
  }

  open() {
    Object.assign(this, { waiting: [], times: [], at: 0, number: 0, buffer: null, sets: '', last_us: null, waitsForKey: true });
    const source = new MediaSource();
    this.source = source;
    this.address = URL.createObjectURL(source);
    this.element.src = this.address;
    source.addEventListener('sourceopen', () => { if (source === this.source) this.pump(); }, { once: true });
  }

  take(frame, isKey) {
    if (!this.source || (this.waitsForKey && !isKey)) return;
    if (this.backlog > MOST_WAITING) { this.restart(); return; }
    const units = splitUnits(frame.payload);
    if (isKey && !this.describe(findSets(units))) { this.onTrouble(); return; }
    this.waitsForKey = false;
    const passed = this.last_us === null ? FIRST_LENGTH : Math.round((frame.time_us - this.last_us) * SCALE / 1e6);
    const length = Math.min(Math.max(passed, 1), LONGEST);
    this.last_us = frame.time_us;
    this.number += 1;
    this.times.push([this.at / SCALE, frame.time_us]);
    this.waiting.push({ data: makeFragment(this.number, this.at, length, isKey, units) });
    this.at += length;
    this.pump();
  }

  /** New parameter sets begin the stream anew within the same buffer. */
  describe({ sps, pps }) {
    if (!sps || !pps) return this.sets !== '';
    const sets = `${sps}|${pps}`;
    if (sets === this.sets) return true;
    this.sets = sets;
    const type = `video/mp4; codecs="${nameCodec(sps)}"`;
    if (!MediaSource.isTypeSupported(type)) return false;
    this.waiting.push({ type, data: makeInit(sps, pps, this.init.width || 1280, this.init.height || 720) });
    return true;
  }

  pump() {
    if (this.source?.readyState !== 'open' || this.buffer?.updating) return;
    try {
      if (this.trim()) return;
      const next = this.waiting.shift();
      if (!next) return;
      if (next.type) this.prepare(next.type);
      this.buffer.appendBuffer(this.gather(next.data));
      this.onFree();
    } catch { this.restart(); }
  }

  prepare(type) {
    if (this.buffer) { this.buffer.changeType(type); return; }
    const buffer = this.source.addSourceBuffer(type);
    buffer.addEventListener('updateend', () => { if (buffer === this.buffer) { this.chase(); this.pump(); } });
    this.buffer = buffer;
  }

  /** All fragments that wait go in together, up to the next change of the stream. */
  gather(first) {
    const parts = [first];
    while (this.waiting.length && !this.waiting[0].type) parts.push(this.waiting.shift().data);
    const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) { whole.set(part, at); at += part.length; }
    return whole;
  }

  trim() {
    const held = this.buffer?.buffered;
    if (!held?.length || this.element.currentTime - held.start(0) < HELD_S) return false;
    this.buffer.remove(0, this.element.currentTime - KEPT_S);
    return true;
  }

  /** Stay at the newest picture: leap when far behind, hurry when a little. */
  chase() {
    const held = this.buffer.buffered, video = this.element;
    if (!held.length) return;
    const end = held.end(held.length - 1), begin = held.start(held.length - 1), behind = end - video.currentTime;
    if (video.currentTime < begin || behind > LEAP_S) video.currentTime = Math.max(begin, end - EDGE_S);
    else video.playbackRate = behind > 4 * EDGE_S ? 1.25 : behind > 2 * EDGE_S ? 1.08 : 1;
    if (video.paused) video.play().catch(() => {});
  }

  watchPaints() {
    const video = this.element;
    const note = (at_s) => {
      let time_us = null;
      while (this.times?.length && this.times[0][0] <= at_s + 0.001) [, time_us] = this.times.shift();
      if (time_us !== null) this.onPaint(time_us);
    };
    if (!video.requestVideoFrameCallback) { video.addEventListener('timeupdate', () => note(video.currentTime)); return; }
    const painted = (_now, { mediaTime }) => { note(mediaTime); video.requestVideoFrameCallback(painted); };
    video.requestVideoFrameCallback(painted);
  }

  restart() {
    this.close();
    this.open();
    this.onTrouble();
  }

  close() {
    const address = this.address;
    this.source = this.buffer = null;
    this.waiting = [];
    if (address) URL.revokeObjectURL(address);
    this.address = '';
  }
}
