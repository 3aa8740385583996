// The voice part of a session's page: joins, talks, chooses who hears, and says in words how everything stands.
import { _ } from '../words.js';
import { markState } from './state-mark.js';
import { bindTalkKey } from './talk-key.js';
import { Voice } from './voice.js';

const FULL_METER = 100, FALL = 0.8, REMEMBERED = 'live-voice';

export class VoicePanel {
  constructor(box) {
    this.box = box;
    this.part = (name) => box.querySelector(`[data-part=${name}]`);
    this.levels = { mic: 0, ear: 0 };
    this.chosen = new Set();
    this.isJoining = false;
    box.tabIndex = -1;
    this.talkKey = bindTalkKey(this.part('talk'), (on) => this.voice?.talk(on) ?? false, () => !this.part('duplex').checked);
    this.part('join').addEventListener('click', () => this.join());
    this.part('leave').addEventListener('click', () => this.leave());
    this.part('retry').addEventListener('click', () => this.voice?.openMicrophone());
    this.part('duplex').addEventListener('change', () => this.voice.talk(this.part('duplex').checked));
    this.part('targets').addEventListener('change', (event) => this.choose(event.target));
    // Other parts of the page (a tile, a name) may choose who hears.
    document.addEventListener('live:talk-to', (event) => this.chooseOnly(event.detail.ids));
    addEventListener('pagehide', () => this.voice?.leave());
    // A form of the page that was sent loads it anew: who was in the conversation stays in it, muted.
    if (sessionStorage.getItem(REMEMBERED) === box.dataset.session) this.join();
    this.part('join').hidden = false;
    box.dataset.ready = 'yes';
  }

  async join() {
    if (this.isJoining) return;
    this.isJoining = true;
    if (this.voice) this.voice.leave();
    const { url, session, mode, mayTalk } = this.box.dataset;
    const voice = new Voice({
      address: `${url}/live/voice/${session}`, mode, mayTalk: mayTalk === 'yes',
      onChange: () => { if (voice === this.voice) this.show(); },
      onLevels: (levels) => Object.assign(this.levels, levels),
    });
    this.voice = voice;
    this.choose();
    try {
      await voice.join();
      sessionStorage.setItem(REMEMBERED, session);
      this.meter();
    } catch (error) {
      voice.leave();
      voice.words = _('语音无法打开（%(error)s）；请换用新版浏览器。', { error: error.message });
    }
    this.show();
  }

  leave() {
    this.part('duplex').checked = false;
    sessionStorage.removeItem(REMEMBERED);
    this.voice.leave();
  }

  /** The target of what one says: everybody, a team, or those ticked. */
  choose() {
    const picked = this.part('targets').querySelector('input[name=voice-to]:checked')?.value ?? '';
    if (picked === '') this.voice?.address(null);
    else if (picked === 'some') this.voice?.address([...this.chosen]);
    else this.voice?.address(picked.split(' '));
    this.part('people').hidden = picked !== 'some';
  }

  chooseOnly(ids) {
    this.chosen = new Set(ids);
    this.part('targets').querySelector(`input[name=voice-to][value="${ids.length ? 'some' : ''}"]`).checked = true;
    this.showPeople();
    this.choose();
  }

  /** Whoever stands in the panel by keyboard stays in it, whatever becomes of the button he pressed. */
  show() {
    const isHeld = this.box.contains(document.activeElement);
    this.showState();
    const held = document.activeElement;
    // Not on the talk key: a key that is held a little too long would open the microphone.
    if (isHeld && (!this.box.contains(held) || held.disabled || held.closest('[hidden]'))) this.box.focus({ preventScroll: true });
  }

  showState() {
    const { voice } = this, isIn = voice.state !== 'away' && voice.state !== 'over';
    this.box.dataset.state = voice.state;
    this.box.dataset.talking = voice.isTalking ? 'yes' : 'no';
    this.part('join').hidden = isIn;
    this.isJoining = false;
    this.part('controls').hidden = !isIn;
    markState(this.part('state'), voice.state, voice.words);
    if (!isIn) { this.part('duplex').checked = false; this.part('speaking').textContent = ''; return; }
    const duplex = this.part('duplex');
    if (!voice.isTalking && voice.state === 'open') duplex.checked = false;
    duplex.disabled = voice.mode !== 'duplex' || (!voice.isTalking && voice.hindrance !== '');
    this.part('duplex-told').textContent = voice.mode === 'duplex' ? '' : _('本次为按键讲话');
    this.showTalk();
    this.showPeople();
  }

  showTalk() {
    const { voice } = this, button = this.part('talk');
    button.setAttribute('aria-pressed', String(voice.isTalking));
    button.setAttribute('aria-disabled', String(!voice.isTalking && voice.hindrance !== ''));
    button.querySelector('span').textContent = voice.isTalking ? _('正在讲话') : _('按住讲话');
    tell(this.part('mic-told'), this.micWords());
    this.part('retry').hidden = !voice.deviceWords;
    const speaking = voice.others.filter((talker) => talker.on);
    tell(this.part('speaking'), speaking.length
      ? _('%(names)s 正在讲话', { names: speaking.map(nameOf).join(_('、')) }) : _('无人讲话'));
  }

  micWords() {
    const { voice } = this;
    if (voice.isTalking && voice.state !== 'open') return _('连接中断：您的话音没有送出');
    if (voice.isTalking && voice.isLosing) return _('网络太慢：部分话音没有送出');
    if (voice.isTalking) return _('麦克风已开：%(names)s 听得到您', { names: this.targetNames() });
    return voice.hindrance || voice.refusal || _('已静音：您的话音没有送出');
  }

  targetNames() {
    const { targets } = this.voice;
    if (!targets) return _('全体');
    const known = new Map(this.voice.talkers.map((talker) => [talker.id, nameOf(talker)]));
    return targets.map((id) => known.get(id) ?? id).join(_('、'));
  }

  /** The list is renewed in place: a tick or a focus in it stays where it is. */
  showPeople() {
    const list = this.part('people'), others = this.voice?.others ?? [];
    const ids = new Set([...others.map((talker) => talker.id), ...this.chosen]);
    for (const row of [...list.children]) if (!ids.has(row.dataset.id)) row.remove();
    for (const id of ids) {
      const talker = others.find((other) => other.id === id) ?? { id };
      const row = [...list.children].find((child) => child.dataset.id === id) ?? list.appendChild(this.makeRow(id));
      row.querySelector('input').checked = this.chosen.has(id);
      row.querySelector('b').textContent = nameOf(talker);
      row.querySelector('small').textContent = talker.stream === undefined ? _('未接入语音') : talker.on ? _('正在讲话') : '';
    }
  }

  makeRow(id) {
    const row = document.createElement('label'), tick = document.createElement('input');
    row.dataset.id = id;
    tick.type = 'checkbox';
    tick.addEventListener('change', () => {
      if (tick.checked) this.chosen.add(id); else this.chosen.delete(id);
    });
    row.append(tick, document.createElement('b'), document.createElement('small'));
    return row;
  }

  meter() {
    const draw = () => {
      if (!this.voice || this.part('controls').hidden) return;
      for (const which of ['mic', 'ear']) {
        const element = this.part(which);
        element.value = Math.max(element.value * FALL, Math.min(this.levels[which], 1) * FULL_METER);
        this.levels[which] = 0;
      }
      setTimeout(draw, 100);
    };
    this.part('controls').hidden = false;
    draw();
  }
}

/** A status that says the same again would be read out again. */
function tell(place, words) { if (place.textContent !== words) place.textContent = words; }

function nameOf(talker) { return talker.name || talker.id; }

const box = document.getElementById('voice-panel');
export const panel = box ? new VoicePanel(box) : null;
