// Frames of live picture and voice as contract/live.py lays them out: 16 bytes of header, then the payload.
export const HEADER_BYTES = 16;
export const INIT = 0, VIDEO = 1, AUDIO = 2, ACK = 9, CONTROL = 10;
export const KEY = 1, WANTS_ACK = 2;
export const MAIN = 0, LOW = 1;
export const CLOSE = { ended: 4000, unproven: 4401, refused: 4403, replaced: 4409, garbage: 4422, slow: 4429, restarting: 1012 };

const writer = new TextEncoder(), reader = new TextDecoder();

/** One frame as bytes; `time_us` is when it was captured, microseconds since 1970 UTC. */
export function pack(type, payload = new Uint8Array(0), { flags = 0, stream = 0, seq = 0, time_us = 0 } = {}) {
  const message = new Uint8Array(HEADER_BYTES + payload.byteLength), head = new DataView(message.buffer);
  head.setUint8(0, type);
  head.setUint8(1, flags);
  head.setUint16(2, stream);
  head.setUint32(4, seq >>> 0);
  head.setBigUint64(8, BigInt(Math.max(0, Math.round(time_us))));
  message.set(payload, HEADER_BYTES);
  return message;
}

/** Take a frame apart without copying its payload; null when it is none. */
export function unpack(buffer) {
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength < HEADER_BYTES) return null;
  const head = new DataView(buffer);
  return {
    type: head.getUint8(0), flags: head.getUint8(1), stream: head.getUint16(2), seq: head.getUint32(4),
    time_us: Number(head.getBigUint64(8)), payload: new Uint8Array(buffer, HEADER_BYTES),
  };
}

/** A control message (Want, Talk, Mode, ...) as a frame; `type` is its tag. */
export function packControl(type, values = {}) {
  return pack(CONTROL, writer.encode(JSON.stringify({ type, ...values })));
}

export function packInit(init, stream = MAIN) { return pack(INIT, writer.encode(JSON.stringify(init)), { stream }); }

export function packAck(seq) { return pack(ACK, undefined, { seq }); }

/** The JSON in an INIT or CONTROL frame; null when it cannot be read. */
export function readJson(frame) {
  try { return JSON.parse(reader.decode(frame.payload)); } catch { return null; }
}
