// Voice of one person in one session: listens, and talks while told to. No page in here; voice-panel.js shows it.
import { _ } from '../words.js';
import { DeviceError } from './devices.js';
import { Line } from './line.js';
import { Microphone } from './microphone.js';
import { Speaker } from './speaker.js';
import { AUDIO, pack } from './wire.js';

const RATE = 48000, TAKEN_MS = 2000, STOPPED_MS = 1000, LOSING_MS = 3000, RESUME_MS = 2000;

export class Voice {
  /**
   * `address` of the session's voice socket; `mode` off, ptt or duplex until the relay says otherwise; `onChange()`
   * at each change of what stands here, `onLevels({mic, ear})` often, 0 to 1.
   */
  constructor({ address, mode = 'ptt', mayTalk = true, onChange = () => {}, onLevels = () => {} }) {
    Object.assign(this, { mode, mayTalk, onChange, onLevels });
    Object.assign(this, { modeReason: '', state: 'away', words: _('尚未接入语音'), deviceWords: '', talkers: [], you: '', targets: null });
    Object.assign(this, { isTalking: false, isLosing: false, refusal: '', seq: 0, sent: 0, dropped: 0 });
    this.line = new Line(address, {
      onFrame: (frame) => this.speaker?.take(frame),
      onControl: (message) => this.obey(message),
      onState: (state, words) => this.stand(state, words),
    });
  }

  /** By somebody's press: browsers open sound for nothing less. Without a microphone one listens. */
  async join() {
    this.context = new AudioContext({ sampleRate: RATE, latencyHint: 'interactive' });
    this.context.onstatechange = () => this.onChange();
    // Without a press some browsers keep sound shut and never answer.
    await Promise.race([this.context.resume(), new Promise((resolve) => { setTimeout(resolve, RESUME_MS); })]);
    if (this.context.state !== 'running') throw new Error(_('浏览器要求先按一下按钮'));
    this.speaker = new Speaker(this.context, (ear) => this.onLevels({ ear }));
    await this.speaker.start();
    if (this.mayTalk) await this.openMicrophone();
    this.line.open();
  }

  async openMicrophone() {
    const microphone = new Microphone(this.context, {
      onPacket: (bytes, time_us) => this.send(bytes, time_us),
      onLevel: (mic) => this.onLevels({ mic }),
      onLost: () => { this.loseMicrophone(_('麦克风已断开；请接好后重新接入语音。')); },
    });
    try {
      await microphone.start();
      this.microphone = microphone;
      this.deviceWords = '';
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
      microphone.stop();
      this.loseMicrophone(error.message);
    }
    this.onChange();
  }

  loseMicrophone(words) {
    this.talk(false);
    this.microphone = null;
    this.deviceWords = words;
    this.onChange();
  }

  /** Why talking is impossible now, in words; empty: it is possible. */
  get hindrance() {
    if (this.state !== 'open') return this.words;
    if (!this.mayTalk) return _('您只能收听，不能讲话');
    if (this.mode === 'off') return this.modeReason || _('本次远程指挥未开通讲话');
    if (!this.microphone) return this.deviceWords;
    if (this.targets?.length === 0) return _('请先选择讲话对象');
    return '';
  }

  /** Begin or end talking to the targets; returns whether one talks now. */
  talk(on) {
    const wanted = on && !this.hindrance;
    if (wanted === this.isTalking) return wanted;
    this.isTalking = wanted;
    if (this.microphone) this.microphone.isOpen = wanted;
    this.line.tell('talk', wanted ? { on: true, to: this.targets ?? [] } : { on: false });
    this.refusal = '';
    this.doubt(wanted ? TAKEN_MS : 0);
    this.onChange();
    return wanted;
  }

  /** The relay's table alone tells whether one is heard; what it does not confirm in time is not shown as said. */
  doubt(wait_ms) {
    clearTimeout(this.doubtTimer);
    if (!wait_ms) return;
    this.doubtTimer = setTimeout(() => {
      this.talk(false);
      this.refusal = _('话音没有被接受：同时讲话的人已满，请稍后再试');
      this.onChange();
    }, wait_ms);
  }

  /** Ids of those who are to hear, null: everybody. */
  address(targets) {
    this.targets = targets;
    if (!this.isTalking) { this.onChange(); return; }
    if (targets?.length === 0) this.talk(false);
    else this.line.tell('talk', { on: true, to: targets ?? [] });
    this.onChange();
  }

  send(bytes, time_us) {
    if (!this.isTalking) return;
    this.seq += 1;
    if (!this.line.isQuick) { this.lose(); return; }
    this.sent += 1;
    this.line.send(pack(AUDIO, bytes, { seq: this.seq, time_us }));
  }

  /** Sound that would come late is worth less than the sound after it. */
  lose() {
    this.dropped += 1;
    clearTimeout(this.losingTimer);
    this.losingTimer = setTimeout(() => { this.isLosing = false; this.onChange(); }, LOSING_MS);
    if (!this.isLosing) { this.isLosing = true; this.onChange(); }
  }

  obey(message) {
    if (message.type === 'talkers') this.meet(message);
    if (message.type === 'mode') Object.assign(this, { mode: message.mode, modeReason: message.reason ?? '' });
    if (this.isTalking && this.hindrance) this.talk(false);
    this.onChange();
  }

  meet({ you = '', talkers = [] }) {
    const silent = new Set(talkers.filter((talker) => !talker.on).map((talker) => talker.stream));
    for (const before of this.talkers) {
      if (before.on && (silent.has(before.stream) || !talkers.some((t) => t.stream === before.stream))) this.speaker?.end(before.stream);
    }
    Object.assign(this, { you, talkers });
    const mine = talkers.find((talker) => talker.id === you);
    if (this.isTalking && mine) this.doubt(mine.on ? 0 : STOPPED_MS);
  }

  /** Everybody else in the session, those who talk first. */
  get others() {
    return this.talkers.filter((talker) => talker.id !== this.you).sort((a, b) => (b.on ?? false) - (a.on ?? false) || a.id.localeCompare(b.id));
  }

  stand(state, words) {
    Object.assign(this, { state, words });
    if (state === 'open') {
      for (const stream of [...this.speaker.decoders.keys()]) this.speaker.forget(stream); // numbers are given anew
      if (this.isTalking) {
        this.line.tell('talk', { on: true, to: this.targets ?? [] });
        this.doubt(TAKEN_MS);
      }
    }
    if (state === 'over') this.close();
    if (state === 'broken') {
      this.talkers = [];
      this.doubt(0);
    }
    this.onChange();
  }

  leave() {
    this.talk(false);
    this.line.close();
    Object.assign(this, { state: 'away', words: _('已退出语音'), talkers: [] });
    this.close();
    this.onChange();
  }

  close() {
    this.isTalking = false;
    this.doubt(0);
    this.microphone?.stop();
    this.microphone = null;
    this.speaker?.stop();
    if (this.context && this.context.state !== 'closed') this.context.close();
  }
}
