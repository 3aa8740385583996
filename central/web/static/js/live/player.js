// One source of a session: its connection to the relay, acknowledgements, and the screen its pictures go to.
import { now } from '../time.js';
import { Age } from './age.js';
import { CanvasScreen } from './canvas-screen.js';
import { endOf } from './condition.js';
import { MediaScreen } from './media-screen.js';
import { WebRtcScreen } from './webrtc-screen.js';
import { CONTROL, INIT, KEY, VIDEO, WANTS_ACK, packAck, packControl, readJson, unpack } from './wire.js';

const FIRST_MS = 300, MOST_MS = 5000, SETTLED_MS = 5000, SILENT_MS = 5000, IDLE_MS = 40000;
const BACKLOG = 12, MOST_KEPT = 300, ASK_KEY_MS = 1000, FAILURES = 5;

export class LivePlayer {
  /** `place` takes the picture; `address` is that of the source at the relay; `onPaint(time_us)` per picture. */
  constructor(place, address, { stream, onPaint = () => {}, gateway = '' }) {
    Object.assign(this, { place, address, stream, onPaint, gateway, detour: '' });
    this.age = new Age();
    Object.assign(this, { link: 'idle', end: '', close: 0, state: '', reason: '', told: {}, trouble: '' });
    Object.assign(this, { screen: null, inits: new Map(), playing: null, owed: [], kept: [], finding: '', failures: 0, pause_ms: FIRST_MS, painted: 0 });
    this.latency_ms = null;
    this.forget();
  }

  forget() {
    Object.assign(this, { hasPainted: false, paintedAt: 0, paintedLag_ms: 0, state: '', reason: '' });
    this.age.forget();
  }

  /** Begin to watch, or go on after `rest`. */
  watch() {
    if (this.end || this.link !== 'idle') return;
    this.pause_ms = FIRST_MS;
    this.connect();
  }

  /** Nobody looks: the connection is closed, and the stream with it. */
  rest() {
    if (this.link === 'idle' || this.end) return;
    this.drop();
    this.link = 'idle';
    this.forget();
  }

  /** Show the other stream; what is seen stays until that one's first picture. */
  select(stream) {
    if (stream === this.stream) return;
    this.stream = stream;
    if (this.gateway && this.link !== 'idle' && !this.end) { this.drop(); this.connect(); return; }
    this.askKey(true);
  }

  connect() {
    this.link = 'connecting';
    const socket = new WebSocket(`${this.gateway || this.address}?stream=${this.stream}`), stream = this.stream;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      if (socket !== this.socket) return;
      Object.assign(this, { link: 'open', heardAt: performance.now(), openedAt: performance.now(), state: '', reason: '', told: {} });
      if (stream !== this.stream) this.askKey(true);
    };
    socket.onmessage = ({ data }) => { if (socket === this.socket) this.take(data); };
    socket.onclose = ({ code, reason }) => { if (socket === this.socket) this.lose(code, reason); };
    this.socket = socket;
    this.watchdog = setInterval(() => this.checkSilence(), 1000);
    this.age.forget();
    this.header = null;
    Object.assign(this, { playing: null, owed: [], kept: [], hasPainted: false, heardAt: performance.now(), openedAt: Infinity });
  }

  /** A way that died without a word is not waited for: the relay itself speaks when a source is silent. */
  checkSilence() {
    const limit_ms = this.state === 'live' || this.state === '' ? SILENT_MS : IDLE_MS;
    if (performance.now() - this.heardAt > limit_ms) this.lose(1006, '');
  }

  drop() {
    clearInterval(this.watchdog);
    clearTimeout(this.retry);
    const socket = this.socket;
    if (this.screen instanceof WebRtcScreen) this.screen.close();
    this.socket = null;
    socket?.close();
  }

  lose(code, reason) {
    const isSettled = performance.now() - this.openedAt > SETTLED_MS;
    this.drop();
    this.close = code;
    this.end = endOf(code);
    if (this.end) { this.finish(reason); return; }
    this.link = 'broken';
    if (isSettled) this.pause_ms = FIRST_MS;
    this.retry = setTimeout(() => this.connect(), this.pause_ms * (0.75 + Math.random() / 2));
    this.pause_ms = Math.min(this.pause_ms * 2, MOST_MS);
  }

  finish(reason) {
    this.drop();
    Object.assign(this, { link: 'over', reason: reason || '' });
    this.screen?.close();
  }

  take(data) {
    const frame = unpack(data);
    if (!frame) return;
    this.heardAt = performance.now();
    if (frame.type === CONTROL) this.obey(readJson(frame));
    else if (frame.type === INIT) this.describe(frame.stream, readJson(frame));
    else if (frame.type === VIDEO) this.show(frame);
    if (frame.flags & WANTS_ACK) this.acknowledge(frame.seq);
  }

  obey(message) {
    if (message?.type === 'state') {
      Object.assign(this, { state: message.state, reason: message.reason ?? '' });
      if (message.state === 'ended') { this.end = 'ended'; this.finish(message.reason); }
    } else if (message?.type === 'told') this.told = message;
    else if (message?.type === 'offer' && this.gateway) this.meet(message.sdp);
    else if (message?.type === 'detour') this.goDirect(message.reason);
    else if (message?.type === 'end') { this.end = 'ended'; this.finish(message.reason); }
  }

  /** The gateway offers the picture. */
  meet(sdp) {
    this.screen?.close();
    const screen = new WebRtcScreen({
      onPaint: () => { if (screen === this.screen) this.notePaint(this.estimate()); },
      onAnswer: (answer) => { if (screen === this.screen) this.send(packControl('answer', { sdp: answer })); },
      onTrouble: (words) => { if (screen === this.screen) this.goDirect(words); },
    });
    this.screen = screen;
    this.place.replaceChildren(screen.element);
    screen.take(sdp);
  }

  /** When what is seen now was captured: told by the relay with each key frame; without word of one, it gets old. */
  estimate() {
    if (!this.header) return 0;
    return this.header.time_us + Math.min(performance.now() - this.header.at, SILENT_MS) * 1000;
  }

  /** The gateway does not work: the picture comes from the relay itself, and the tile says so. */
  goDirect(reason) {
    if (!this.gateway) return;
    Object.assign(this, { gateway: '', detour: reason || '?', screen: null });
    this.drop();
    this.connect();
  }

  describe(stream, init) {
    if (!init?.codec || this.gateway) return;
    this.inits.set(stream, init);
    if (stream === this.playing) this.turnTo(init);
    else if (!this.screen) this.turnTo(init);
  }

  show(frame) {
    const isKey = Boolean(frame.flags & KEY);
    this.age.note(frame.time_us, now());
    if (this.gateway) { this.header = { time_us: frame.time_us, at: performance.now() }; this.playing = frame.stream; return; }
    if (frame.stream !== this.playing) {
      const init = this.inits.get(frame.stream);
      if (!isKey || !init || (this.playing !== null && frame.stream !== this.stream)) return;
      this.playing = frame.stream;
      this.kept = [];
      this.turnTo(init);
    }
    if (this.finding) { if (this.kept.length < MOST_KEPT) this.kept.push(frame); } else this.screen?.take(frame, isKey);
  }

  /** Have a screen that can show `init`; what comes until there is one is kept for it. */
  turnTo(init) {
    if (this.screen?.codec === init.codec) { this.screen.start(init); return; }
    if (this.finding === init.codec) return;
    this.finding = init.codec;
    findScreen(init.codec).then((Screen) => {
      if (this.finding !== init.codec) return;
      this.finding = '';
      if (this.end) return;
      this.trouble = Screen ? '' : 'unsupported';
      if (!Screen) { this.kept = []; return; }
      if (!(this.screen instanceof Screen)) this.replaceScreen(Screen);
      this.screen.start(init);
      for (const frame of this.kept.splice(0)) this.screen.take(frame, Boolean(frame.flags & KEY));
    });
  }

  replaceScreen(Screen) {
    this.screen?.close();
    this.screen = new Screen({ onPaint: (time_us) => this.notePaint(time_us), onTrouble: () => this.fail(), onFree: () => this.payOwed() });
    this.place.replaceChildren(this.screen.element);
  }

  notePaint(time_us) {
    const now_ms = now();
    Object.assign(this, { hasPainted: true, paintedAt: performance.now(), paintedLag_ms: this.age.lagOf(time_us, now_ms), failures: 0, trouble: '' });
    this.latency_ms = this.age.latencyOf(time_us, now_ms);
    this.painted += 1;
    this.onPaint(time_us);
  }

  fail() {
    this.failures += 1;
    if (this.failures >= FAILURES) this.trouble = 'undecodable';
    this.askKey();
  }

  askKey(isUrgent = false) {
    const at = performance.now();
    if (!isUrgent && at - (this.askedAt ?? -Infinity) < ASK_KEY_MS) return;
    this.askedAt = at;
    this.send(packControl('want', { streams: [this.stream], key: true }));
  }

  /** What the decoder has not got to is not yet acknowledged: the relay then sends less. */
  acknowledge(seq) {
    this.owed.push(seq);
    if ((this.screen?.backlog ?? 0) < BACKLOG) this.payOwed();
  }

  payOwed() {
    for (const seq of this.owed) this.send(packAck(seq));
    this.owed = [];
  }

  send(message) { if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(message); }

  /** What `judge` needs. */
  get facts() {
    return {
      link: this.link, end: this.end, close: this.close, state: this.state, reason: this.reason, trouble: this.trouble,
      note: this.told.note ?? '', detour: this.detour, kbps: this.told.kbps ?? 0, painted: this.hasPainted,
      frozen_ms: this.hasPainted ? performance.now() - this.paintedAt : 0, lag_ms: this.hasPainted ? this.paintedLag_ms : 0,
    };
  }
}

const screens = new Map();

/** The best way in which this browser shows `codec`, null when it has none. */
function findScreen(codec) {
  if (!screens.has(codec)) screens.set(codec, chooseScreen(codec));
  return screens.get(codec);
}

async function chooseScreen(codec) {
  for (const Screen of [CanvasScreen, MediaScreen]) if (await Screen.canPlay(codec)) return Screen;
  return null;
}
