// Press to talk: by pointer, touch, space bar, or a switch for those who cannot hold. Letting go always ends it.
const TYPING = 'input, textarea, select, [contenteditable]', PRESSABLE = 'button, a[href], summary';

/** Bind `button`; `talk(on)` begins or ends, and returns whether one talks now; `isFree()` while a hold may end it. */
export function bindTalkKey(button, talk, isFree = () => true) {
  let held = null; // 'pointer', 'key', 'switch', or null
  const press = (how) => { if (held === null && isFree() && talk(true)) held = how; };
  const release = () => { if (held !== null) { held = null; talk(false); } };
  button.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    event.preventDefault(); // no selection, no long-press menu
    button.focus();
    button.setPointerCapture(event.pointerId);
    press('pointer');
  });
  for (const kind of ['pointerup', 'pointercancel', 'lostpointercapture']) {
    button.addEventListener(kind, () => { if (held === 'pointer') release(); });
  }
  button.addEventListener('contextmenu', (event) => event.preventDefault());
  // Screen readers and switches send a click without a hold: it begins, the next one ends.
  button.addEventListener('click', (event) => {
    if (event.detail > 0) return; // the end of a press by pointer
    if (button.getAttribute('aria-pressed') === 'true') { release(); return; }
    held = null;
    press('switch');
  });
  addEventListener('keydown', (event) => {
    if (event.code !== 'Space' || event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || !isOurs(event.target, button)) return;
    event.preventDefault();
    if (!event.repeat) press('key');
  });
  addEventListener('keyup', (event) => {
    if (event.code !== 'Space') return;
    if (isOurs(event.target, button)) event.preventDefault();
    if (held === 'key') release();
  });
  addEventListener('blur', release);
  addEventListener('pagehide', release);
  document.addEventListener('visibilitychange', () => { if (document.hidden) release(); });
  return { release };
}

/** The space bar belongs to whoever types or stands on another button. */
function isOurs(target, button) {
  return target === button || !(target instanceof Element && (target.closest(TYPING) || target.closest(PRESSABLE)));
}
