// The alarm's sound. Browsers let a page sound only after somebody has touched it, so the button says whether it can.
import { _ } from './words.js';

let context = null, timer = null;
const REPEAT_MS = 2200;

function isOn() { return context !== null && context.state === 'running'; }

async function switchOn() {
  context ??= new AudioContext();
  if (context.state === 'suspended') await context.resume();
  showState();
}

function showState() {
  const button = document.getElementById('sound');
  if (!button) return;
  const on = isOn();
  button.setAttribute('aria-pressed', String(on));
  button.classList.toggle('ok', on);
  button.classList.toggle('warn', !on);
  button.querySelector('span').textContent = on ? _('告警声已开') : _('开启告警声');
  const use = button.querySelector('use');
  use.setAttribute('href', use.getAttribute('href').replace(/#.*/, on ? '#sound' : '#sound-off'));
}

function beep(at_s, frequency_hz, length_s) {
  const tone = context.createOscillator(), volume = context.createGain();
  tone.type = 'triangle';
  tone.frequency.value = frequency_hz;
  volume.gain.setValueAtTime(0.0001, at_s);
  volume.gain.exponentialRampToValueAtTime(0.5, at_s + 0.02);
  volume.gain.setValueAtTime(0.5, at_s + length_s - 0.05);
  volume.gain.exponentialRampToValueAtTime(0.0001, at_s + length_s);
  tone.connect(volume).connect(context.destination);
  tone.start(at_s);
  tone.stop(at_s + length_s);
}

function ring() {
  if (!isOn()) return;
  const at_s = context.currentTime + 0.02;
  for (let i = 0; i < 3; i += 1) { beep(at_s + i * 0.36, 988, 0.18); beep(at_s + i * 0.36 + 0.18, 740, 0.16); }
  document.documentElement.dataset.rings = Number(document.documentElement.dataset.rings ?? 0) + 1;
}

/** Sound until nobody waits any more. */
export function setAlarm(isWaiting) {
  if (isWaiting && timer === null) { ring(); timer = setInterval(ring, REPEAT_MS); }
  if (!isWaiting && timer !== null) { clearInterval(timer); timer = null; }
}

/** The first touch anywhere allows sound; the button also tests it. */
export function prepareSound() {
  for (const kind of ['pointerdown', 'keydown']) addEventListener(kind, () => { switchOn(); }, { once: true });
  document.getElementById('sound')?.addEventListener('click', async () => { await switchOn(); if (timer === null) ring(); });
  showState();
}
