// The browser's microphone as Opus packets of 20 ms; nothing is encoded, and so nothing can be sent, while nobody talks.
import { now } from '../time.js';
import { closeStream, openDevices } from './devices.js';

const RATE = 48000, PACKET_US = 20000, PACKET_MS = 20;
const OPUS = { frameDuration: PACKET_US, application: 'voip', signal: 'voice', useinbandfec: true, packetlossperc: 5, complexity: 6 };
const CONFIG = { codec: 'opus', sampleRate: RATE, numberOfChannels: 1, bitrate: 28000, opus: OPUS };

export class Microphone {
  /** `onPacket(bytes, time_us)` while `isOpen`; `onLevel(peak)` always; `onLost()` when the device goes away. */
  constructor(context, { onPacket, onLevel = () => {}, onLost = () => {} }) {
    Object.assign(this, { context, onPacket, onLevel, onLost });
    this.isOpen = false;
    this.sent_us = 0;
  }

  /** Raises DeviceError. */
  async start() {
    this.stream = await openDevices({ sound: true });
    await this.context.audioWorklet.addModule(new URL('./microphone-worklet.js', import.meta.url));
    this.source = this.context.createMediaStreamSource(this.stream);
    this.node = new AudioWorkletNode(this.context, 'live-microphone', { numberOfOutputs: 0 });
    this.node.port.onmessage = ({ data }) => this.hear(data);
    this.source.connect(this.node);
    this.stream.getAudioTracks()[0].addEventListener('ended', () => this.onLost());
    this.renew();
  }

  renew() {
    this.encoder = new AudioEncoder({ output: (chunk) => this.tell(chunk), error: () => this.renew() });
    this.encoder.configure(CONFIG);
  }

  hear(samples) {
    let peak = 0;
    for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
    this.onLevel(peak);
    if (!this.isOpen) return;
    // The packet is complete now: its first sample was heard 20 ms ago.
    this.sent_us = Math.max(this.sent_us + 1, Math.round((now() - PACKET_MS) * 1000));
    const sound = new AudioData({
      format: 'f32-planar', sampleRate: RATE, numberOfFrames: samples.length, numberOfChannels: 1, timestamp: this.sent_us, data: samples,
    });
    this.encoder.encode(sound);
    sound.close();
  }

  tell(chunk) {
    if (!this.isOpen) return; // let go meanwhile
    const bytes = new Uint8Array(chunk.byteLength);
    chunk.copyTo(bytes);
    this.onPacket(bytes, this.sent_us);
  }

  stop() {
    this.isOpen = false;
    this.source?.disconnect();
    closeStream(this.stream);
    if (this.encoder && this.encoder.state !== 'closed') this.encoder.close();
  }
}
