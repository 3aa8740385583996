// Runs beside the sound card: one jitter buffer a talker, their sum to the speaker.
import { JitterBuffer, limit } from './jitter.js';

const REPORT_S = 0.1;

class Speaker extends AudioWorkletProcessor {
  constructor() {
    super();
    this.talkers = new Map();
    this.peak = 0;
    this.reportAt = 0;
    this.port.onmessage = ({ data }) => this.take(data);
  }

  take({ stream, samples, afterPause, end, forget }) {
    if (forget) { this.talkers.delete(stream); return; }
    if (end) { this.talkers.get(stream)?.finish(); return; }
    if (!this.talkers.has(stream)) this.talkers.set(stream, new JitterBuffer({ rate: sampleRate }));
    this.talkers.get(stream).push(samples, afterPause);
  }

  process(_inputs, [output]) {
    const out = output[0];
    for (const buffer of this.talkers.values()) buffer.pull(out);
    for (let i = 0; i < out.length; i += 1) {
      out[i] = limit(out[i]);
      this.peak = Math.max(this.peak, Math.abs(out[i]));
    }
    for (const other of output.slice(1)) other.set(out);
    if (currentTime >= this.reportAt) this.report();
    return true;
  }

  report() {
    const held = [...this.talkers].map(([stream, b]) => ({ stream, held_ms: b.depth / b.perMs, target_ms: b.target / b.perMs, underruns: b.underruns, skipped_ms: b.skipped / b.perMs }));
    this.port.postMessage({ peak: this.peak, held });
    this.peak = 0;
    this.reportAt = currentTime + REPORT_S;
  }
}

registerProcessor('live-speaker', Speaker);
