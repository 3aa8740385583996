// A connection to the relay that comes back by itself, and says in words how it stands.
import { _ } from '../words.js';
import { CLOSE, CONTROL, WANTS_ACK, packAck, packControl, readJson, unpack } from './wire.js';

const FIRST_MS = 400, MOST_MS = 5000, QUIET_BYTES = 3000;
// Why the relay ends it, where the end is not that of the session.
const REASONS = { logged_out: CLOSE.unproven, not_allowed: CLOSE.refused, foreign_page: CLOSE.refused, too_many: CLOSE.slow };

export class Line {
  /**
   * `onFrame(frame)` for sound and pictures, `onControl(message)` for the rest; `onState(state, words)` with the
   * state connecting, open, broken (it is tried again) or over (it is not).
   */
  constructor(address, { onFrame = () => {}, onControl = () => {}, onState }) {
    Object.assign(this, { address, onFrame, onControl, onState });
    this.pause_ms = FIRST_MS;
    this.isOver = false;
  }

  open() {
    this.onState('connecting', _('正在连接'));
    const socket = new WebSocket(this.address);
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      if (socket !== this.socket) return;
      this.openedAt = performance.now();
      this.onState('open', _('已连接'));
    };
    socket.onmessage = ({ data }) => { if (socket === this.socket) this.take(data); };
    socket.onclose = (event) => { if (socket === this.socket) this.lose(event); };
    this.socket = socket;
  }

  get isOpen() { return this.socket?.readyState === WebSocket.OPEN; }

  take(data) {
    const frame = unpack(data);
    if (!frame) return;
    if (frame.flags & WANTS_ACK) this.send(packAck(frame.seq));
    if (frame.type !== CONTROL) { this.onFrame(frame); return; }
    const message = readJson(frame);
    if (message?.type === 'end') this.finish(endOf(REASONS[message.reason] ?? CLOSE.ended));
    else if (message) this.onControl(message);
  }

  lose(event) {
    if (this.isOver) return;
    const words = endOf(event.code);
    if (words) { this.finish(words); return; }
    if (performance.now() - (this.openedAt ?? Infinity) > MOST_MS) this.pause_ms = FIRST_MS;
    this.openedAt = undefined;
    this.onState('broken', _('连接中断，正在重连'));
    this.timer = setTimeout(() => this.open(), this.pause_ms * (0.75 + Math.random() / 2));
    this.pause_ms = Math.min(this.pause_ms * 2, MOST_MS);
  }

  /** Nothing comes through any more: begin anew without waiting for the other side to notice. */
  again() {
    const socket = this.socket;
    if (this.isOver || !socket) return;
    this.socket = null;
    socket.close();
    this.lose({ code: 0 });
  }

  finish(words) {
    this.close();
    this.onState('over', words);
  }

  /** Whether what is sent now leaves soon: behind a slow line new sound is dropped rather than late. */
  get isQuick() { return this.isOpen && this.socket.bufferedAmount < QUIET_BYTES; }

  send(message) { if (this.isOpen) this.socket.send(message); }

  tell(type, values) { this.send(packControl(type, values)); }

  close() {
    this.isOver = true;
    clearTimeout(this.timer);
    this.socket?.close();
  }
}

/** Words for a close after which nothing is tried again. */
function endOf(code) {
  if (code === CLOSE.ended) return _('本次远程指挥已结束');
  if (code === CLOSE.unproven) return _('登录已失效，请重新登录');
  if (code === CLOSE.refused) return _('您无权参加本次远程指挥，或授权已被收回');
  if (code === CLOSE.replaced) return _('已在另一页面接入，本页面已断开');
  if (code === CLOSE.slow) return _('连接过多或接收过慢，请关闭多余的页面后刷新');
  if (code === CLOSE.garbage) return _('浏览器发送的内容无法使用，请刷新页面');
  return '';
}
