// Everybody's Opus packets to one speaker.
import { AUDIO } from './wire.js';

const RATE = 48000, PACKET_US = 20000, FORGET_MS = 60000;

export class Speaker {
  /** `onLevel(peak)` is told ten times a second how loud it is, 0 to 1. */
  constructor(context, onLevel = () => {}) {
    this.context = context;
    this.onLevel = onLevel;
    this.decoders = new Map();
    this.held = [];
  }

  async start() {
    await this.context.audioWorklet.addModule(new URL('./speaker-worklet.js', import.meta.url));
    this.node = new AudioWorkletNode(this.context, 'live-speaker', { numberOfInputs: 0, outputChannelCount: [2] });
    this.node.port.onmessage = ({ data }) => { this.held = data.held; this.onLevel(data.peak); };
    this.node.connect(this.context.destination);
    this.sweeper = setInterval(() => this.sweep(), FORGET_MS / 2);
  }

  /** A frame of sound has come; `frame.stream` is the talker's number. */
  take(frame) {
    if (frame.type !== AUDIO || !frame.payload.length) return;
    const talker = this.decoders.get(frame.stream) ?? this.admit(frame.stream);
    talker.heardAt = performance.now();
    if (followsPause(talker.last, frame)) talker.afterPause = true;
    talker.last = { seq: frame.seq, time_us: frame.time_us };
    try {
      talker.decoder.decode(new EncodedAudioChunk({ type: 'key', timestamp: frame.time_us, duration: PACKET_US, data: frame.payload }));
    } catch { this.forget(frame.stream); }
  }

  admit(stream) {
    const decoder = new AudioDecoder({
      output: (sound) => this.play(stream, sound),
      error: () => this.decoders.delete(stream), // a packet that is none: the next one begins with a new decoder
    });
    decoder.configure({ codec: 'opus', sampleRate: RATE, numberOfChannels: 1 });
    const talker = { decoder, heardAt: 0, last: null, afterPause: true };
    this.decoders.set(stream, talker);
    return talker;
  }

  play(stream, sound) {
    const samples = new Float32Array(sound.numberOfFrames);
    sound.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
    sound.close();
    const talker = this.decoders.get(stream), afterPause = talker?.afterPause ?? true;
    if (talker) talker.afterPause = false;
    this.node.port.postMessage({ stream, samples, afterPause }, [samples.buffer]);
  }

  /** A talker has let go. */
  end(stream) {
    const talker = this.decoders.get(stream);
    if (!talker || talker.decoder.state !== 'configured') return;
    talker.decoder.flush().then(() => this.node.port.postMessage({ stream, end: true }), () => {});
  }

  sweep() {
    for (const [stream, talker] of this.decoders) if (performance.now() - talker.heardAt > FORGET_MS) this.forget(stream);
  }

  forget(stream) {
    const talker = this.decoders.get(stream);
    if (talker && talker.decoder.state !== 'closed') talker.decoder.close();
    this.decoders.delete(stream);
    this.node.port.postMessage({ stream, forget: true });
  }

  stop() {
    clearInterval(this.sweeper);
    for (const stream of [...this.decoders.keys()]) this.forget(stream);
    this.node?.disconnect();
  }
}

/** Whether the talker's side left out silence between these frames: the next one by number, yet taken in later than next. */
export function followsPause(last, frame) {
  if (!last) return true;
  return frame.seq === ((last.seq + 1) >>> 0) && frame.time_us - last.time_us > 1.5 * PACKET_US;
}
