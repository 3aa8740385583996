// H.264 access units as fragmented MP4, one frame a fragment, for Media Source Extensions (ISO/IEC 14496-12, -15).
const SCALE = 90000, LONG_TIMES = 1 << 24, MATRIX = [0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000];
const SPS = 7, PPS = 8, OUTSIDE = new Set([6, SPS, PPS, 9]); // what is not carried in samples: SEI, parameter sets, delimiters

/** The NAL units of an Annex B access unit, without their start codes. */
export function splitUnits(bytes) {
  const found = [];
  let begin = -1;
  for (let i = 0; i + 2 < bytes.length; i += 1) {
    if (bytes[i] !== 0 || bytes[i + 1] !== 0 || bytes[i + 2] !== 1) continue;
    if (begin >= 0) found.push(trim(bytes, begin, i));
    begin = i + 3;
    i += 2;
  }
  if (begin >= 0) found.push(trim(bytes, begin, bytes.length));
  return found.filter((unit) => unit.length > 0);
}

function trim(bytes, begin, end) {
  while (end > begin && bytes[end - 1] === 0) end -= 1; // the zero before a start code of four bytes, trailing zeros
  return bytes.subarray(begin, end);
}

/** Sequence and picture parameter set of an access unit, each null when it has none. */
export function findSets(units) {
  const find = (kind) => units.find((unit) => (unit[0] & 31) === kind) ?? null;
  return { sps: find(SPS), pps: find(PPS) };
}

/** RFC 6381 name of what a sequence parameter set describes. */
export function nameCodec(sps) { return `avc1.${[sps[1], sps[2], sps[3]].map((n) => n.toString(16).padStart(2, '0').toUpperCase()).join('')}`; }

/** The beginning of a stream: ftyp and moov. No duration anywhere, so that browsers take it for live. */
export function makeInit(sps, pps, width, height) {
  const config = box('avcC', [1, sps[1], sps[2], sps[3], 0xff, 0xe1], u16(sps.length), sps, [1], u16(pps.length), pps);
  const entry = box('avc1', zeros(6), u16(1), zeros(16), u16(width, height), u32(0x480000, 0x480000), zeros(4), u16(1), zeros(32), u16(24, 0xffff), config);
  const table = box('stbl', full('stsd', 0, u32(1), entry), full('stts', 0, zeros(4)), full('stsc', 0, zeros(4)), full('stsz', 0, zeros(8)), full('stco', 0, zeros(4)));
  const media = box('minf', full('vmhd', 1, zeros(8)), box('dinf', full('dref', 0, u32(1), full('url ', 1))), table);
  const track = box('mdia', full('mdhd', 0, u32(0, 0, SCALE, 0), u16(0x55c4, 0)), full('hdlr', 0, zeros(4), text('vide'), zeros(12), text('v\0')), media);
  const head = full('tkhd', 3, u32(0, 0, 1, 0, 0), zeros(16), u32(...MATRIX), u32(width << 16, height << 16));
  const movie = full('mvhd', 0, u32(0, 0, SCALE, 0, 0x10000), u16(0x100), zeros(10), u32(...MATRIX), zeros(24), u32(2));
  const extends_ = box('mvex', full('trex', 0, u32(1, 1, 0, 0, 0)));
  return join([box('ftyp', text('iso5'), u32(0x200), text('iso5iso6mp41')), box('moov', movie, box('trak', head, track), extends_)]);
}

/** One frame as moof and mdat; `at` and `length` in 1/90000 s. */
export function makeFragment(number, at, length, isKey, units) {
  const kept = units.filter((unit) => !OUTSIDE.has(unit[0] & 31));
  const sample = join(kept.flatMap((unit) => [u32(unit.length), unit]));
  const fragment = (offset) => {
    const run = full('trun', 0x701, u32(1, offset, length, sample.length, isKey ? 0x02000000 : 0x01010000));
    const time = full('tfdt', LONG_TIMES, u32(Math.floor(at / 2 ** 32), at >>> 0));
    return box('moof', full('mfhd', 0, u32(number)), box('traf', full('tfhd', 0x20000, u32(1)), time, run));
  };
  return join([fragment(fragment(0).length + 8), box('mdat', sample)]);
}

function box(kind, ...parts) {
  const body = join(parts);
  return join([u32(body.length + 8), text(kind), body]);
}

function full(kind, flags, ...parts) { return box(kind, u32(flags), ...parts); }
function zeros(count) { return new Uint8Array(count); }
function text(word) { return Uint8Array.from(word, (char) => char.charCodeAt(0)); }

function u16(...numbers) { return Uint8Array.from(numbers.flatMap((n) => [n >> 8 & 255, n & 255])); }
function u32(...numbers) { return Uint8Array.from(numbers.flatMap((n) => [n >>> 24, n >>> 16 & 255, n >>> 8 & 255, n & 255])); }

function join(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) { whole.set(part, at); at += part.length; }
  return whole;
}
