// The browser's microphone as Opus packets of 20 ms; nothing is encoded, and so nothing can be sent, while nobody talks.
import { now } from '../time.js';
import { closeStream, openDevices } from './devices.js';

const RATE = 48000, PACKET_US = 20000, PACKET_MS = 20, ASTRAY_US = 100000;
const OPUS = { frameDuration: PACKET_US, application: 'voip', signal: 'voice', useinbandfec: true, packetlossperc: 5, complexity: 6 };
const CONFIG = { codec: 'opus', sampleRate: RATE, numberOfChannels: 1, bitrate: 28000, opus: OPUS };

export class Microphone {
  /** `onPacket(bytes, time_us)` while `isOpen`; `onLevel(peak)` always; `onLost()` when the device goes away. */
  constructor(context, { onPacket, onLevel = () => {}, onLost = () => {} }) {
    Object.assign(this, { context, onPacket, onLevel, onLost });
    this.isOpen = false;
    this.next_us = 0;
    this.stamps = [];
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
    this.stamps = [];
    this.encoder = new AudioEncoder({ output: (chunk) => this.tell(chunk), error: () => this.renew() });
    this.encoder.configure(CONFIG);
  }

  hear(samples) {
    let peak = 0;
    for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
    this.onLevel(peak);
    if (!this.isOpen) return;
    const at_us = this.stamp();
    this.stamps.push(at_us);
    const sound = new AudioData({
      format: 'f32-planar', sampleRate: RATE, numberOfFrames: samples.length, numberOfChannels: 1, timestamp: at_us, data: samples,
    });
    this.encoder.encode(sound);
    sound.close();
  }

  /** By the sound's own clock: a page that was busy takes several packets at once, and they were still said in a row. */
  stamp() {
    // The packet is complete now: its first sample was heard 20 ms ago.
    const heard_us = Math.round((now() - PACKET_MS) * 1000);
    const at_us = Math.abs(heard_us - this.next_us) > ASTRAY_US ? Math.max(this.next_us, heard_us) : this.next_us;
    this.next_us = at_us + PACKET_US;
    return at_us;
  }

  tell(chunk) {
    const time_us = this.stamps.shift();
    if (!this.isOpen) return; // let go meanwhile
    const bytes = new Uint8Array(chunk.byteLength);
    chunk.copyTo(bytes);
    this.onPacket(bytes, time_us);
  }

  stop() {
    this.isOpen = false;
    this.source?.disconnect();
    closeStream(this.stream);
    if (this.encoder && this.encoder.state !== 'closed') this.encoder.close();
  }
}
