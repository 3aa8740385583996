// Runs beside the microphone: cuts what it hears into packets of 20 ms.
const PACKET_S = 0.02;

class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.size = Math.round(sampleRate * PACKET_S);
    this.begin();
  }

  begin() {
    this.packet = new Float32Array(this.size);
    this.filled = 0;
  }

  process([input]) {
    // While the device sends nothing there is no channel at all: silence keeps the pace.
    const heard = input[0] ?? new Float32Array(128);
    for (let place = 0; place < heard.length;) {
      const take = Math.min(heard.length - place, this.size - this.filled);
      this.packet.set(heard.subarray(place, place + take), this.filled);
      this.filled += take;
      place += take;
      if (this.filled === this.size) {
        this.port.postMessage(this.packet, [this.packet.buffer]);
        this.begin();
      }
    }
    return true;
  }
}

registerProcessor('live-microphone', Microphone);
