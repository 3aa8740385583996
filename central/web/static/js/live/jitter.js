// What one talker said, held back just long enough that the network's unrest is not heard. Pure: no clock, no device.
const RAMP = 240, SETTLE_S = 2, DECAY = 0.9;

/** Samples of one talker in order of coming; `pull` mixes the next ones into a block of output. */
export class JitterBuffer {
  /** Times in ms: `target_ms` is held before sound begins, `most_ms` is the longest it grows to by experience. */
  constructor({ rate = 48000, target_ms = 40, most_ms = 200 } = {}) {
    this.perMs = rate / 1000;
    this.rate = rate;
    this.base = target_ms * this.perMs;
    this.target = this.base;
    this.most = most_ms * this.perMs;
    this.chunks = [];
    this.offset = 0;
    this.depth = 0;
    this.isPlaying = false;
    this.isFinished = false;
    this.fade = 0;
    this.lastSample = 0;
    this.underruns = 0;
    this.skipped = 0;
    this.restart();
  }

  /** A packet's samples have come. */
  push(samples) {
    this.isFinished = false;
    this.chunks.push(samples);
    this.depth += samples.length;
    // After a stall everything comes at once: what is old is not worth hearing any more.
    if (this.depth > this.target + this.most) this.skip(this.depth - this.target);
  }

  /** The talker has ended: what is held plays to its end, and nothing is waited for. */
  finish() { this.isFinished = true; }

  /** Add the next samples to `out`; returns whether there was sound. */
  pull(out) {
    if (!this.isPlaying) {
      if (this.depth === 0 || (this.depth < this.target && !this.isFinished)) { this.tail(out, 0); return false; }
      this.isPlaying = true;
      this.fade = 0;
    }
    const count = Math.min(out.length, this.depth);
    for (let place = 0; place < count;) place += this.mix(out, place, count);
    this.depth -= count;
    if (count < out.length) this.runDry(out, count);
    else this.watch(count);
    return count > 0;
  }

  mix(out, place, count) {
    const chunk = this.chunks[0], take = Math.min(count - place, chunk.length - this.offset);
    for (let i = 0; i < take; i += 1) {
      if (this.fade < RAMP) this.fade += 1;
      this.lastSample = chunk[this.offset + i] * (this.fade / RAMP);
      out[place + i] += this.lastSample;
    }
    this.offset += take;
    if (this.offset === chunk.length) { this.chunks.shift(); this.offset = 0; }
    return take;
  }

  runDry(out, from) {
    this.tail(out, from);
    this.isPlaying = false;
    if (!this.isFinished) {
      this.underruns += 1;
      this.target = Math.min(this.target * 1.5, this.most);
    }
    this.restart();
  }

  /** The last sample fades out: silence that begins at once is heard as a click. */
  tail(out, from) {
    for (let i = from; i < out.length && Math.abs(this.lastSample) > 1e-4; i += 1) {
      this.lastSample *= 0.97;
      out[i] += this.lastSample;
    }
  }

  restart() {
    this.least = Infinity;
    this.watched = 0;
  }

  /** What was never needed for two seconds is delay for nothing, and so is a caution that nothing has called for. */
  watch(count) {
    this.least = Math.min(this.least, this.depth);
    this.watched += count;
    if (this.watched < SETTLE_S * this.rate) return;
    if (this.least > this.target) this.skip(this.least - this.target / 2);
    this.target = Math.max(this.base, this.target * DECAY);
    this.restart();
  }

  skip(count) {
    let left = Math.floor(Math.min(count, this.depth));
    this.skipped += left;
    this.depth -= left;
    while (left > 0) {
      const rest = this.chunks[0].length - this.offset;
      if (rest > left) { this.offset += left; break; }
      left -= rest;
      this.chunks.shift();
      this.offset = 0;
    }
    this.fade = 0;
  }
}

/** Keep a sum of voices within what a speaker can play: linear up to half, bent above. */
export function limit(value) {
  const size = Math.abs(value);
  return size <= 0.5 ? value : Math.sign(value) * (0.5 + 0.5 * Math.tanh((size - 0.5) * 2));
}
