// What one talker said, held back just long enough that the network's unrest is not heard. Pure: no clock, no device.
const RAMP = 240, SETTLE_S = 2, DECAY = 0.9, GROWTH = 1.5, LEAST_GROWTH_MS = 10, SLACK_MS = 10, QUIET = 0.01;

/** Samples of one talker in order of coming; `pull` mixes the next ones into a block of output. Its clock is what was pulled. */
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
    this.dry = null; // for how long nothing was there, while it is not known whether the talker or the link is why
    this.waited = 0;
    this.calm = 0;
    this.underruns = 0;
    this.skipped = 0;
    this.restart();
  }

  /** A packet's samples have come. `afterPause`: the sender left out what lay between the last ones and these. */
  push(samples, afterPause = false) {
    if (this.dry !== null && !afterPause) this.grow(this.dry);
    this.dry = null;
    this.isFinished = false;
    this.chunks.push(samples);
    this.depth += samples.length;
    // After a stall everything comes at once: what is old is not worth hearing any more.
    if (this.depth > this.target + this.most) this.skip(this.depth - this.target);
  }

  /** The talker has ended: what is held plays to its end, and nothing is waited for. */
  finish() {
    this.isFinished = true;
    this.dry = null;
  }

  /** Add the next samples to `out`; returns whether there was sound. */
  pull(out) {
    if (!this.isPlaying && !this.begins(out.length)) { this.tail(out, 0); return false; }
    this.leave();
    const count = Math.min(out.length, this.depth);
    for (let place = 0; place < count;) place += this.mix(out, place, count);
    this.depth -= count;
    if (count < out.length) this.runDry(out, count);
    else this.watch(count);
    return count > 0;
  }

  /** Enough is held, or the first of it has waited long enough: a lone packet in a pause gets no company. */
  begins(count) {
    if (this.depth === 0) {
      if (this.dry !== null) this.dry += count;
      return false;
    }
    if (this.depth < this.target && this.waited < this.target && !this.isFinished) { this.waited += count; return false; }
    this.isPlaying = true;
    this.fade = 0;
    return true;
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
    this.dry = this.isFinished ? null : out.length - from;
    this.waited = 0;
    this.restart();
  }

  /** What was missing by so much is held from now on; no buffer makes up for an outage. */
  grow(late) {
    this.underruns += 1;
    this.calm = 0;
    const more = Math.max(late, LEAST_GROWTH_MS * this.perMs);
    this.target = Math.min(more > this.most ? this.target * GROWTH : this.target + more, this.most);
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
    this.excess = 0;
  }

  /** A caution that nothing has called for goes, be it between pauses; and what was never needed for two seconds. */
  watch(count) {
    this.calm += count;
    if (this.calm >= SETTLE_S * this.rate) {
      this.target = Math.max(this.base, this.target * DECAY);
      this.calm = 0;
    }
    this.least = Math.min(this.least, this.depth);
    this.watched += count;
    if (this.watched < SETTLE_S * this.rate) return;
    const over = this.least - this.target / 2, isMuch = this.least > this.target;
    this.restart();
    if (isMuch) this.skip(over);
    else if (over > SLACK_MS * this.perMs) this.excess = over;
  }

  /** A little too much is left out where nobody speaks. */
  leave() {
    while (this.excess > 0 && this.chunks.length > 1) {
      const rest = this.chunks[0].subarray(this.offset, this.offset + Math.ceil(this.excess));
      if (rest.some((sample) => Math.abs(sample) > QUIET)) return;
      this.excess -= rest.length;
      this.skip(rest.length);
    }
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
