// The panels of words and figures: the centre renders them, only what has changed is put into the page.
import { _ } from './words.js';

const served = new Map();
const csrf = document.querySelector('meta[name=csrf]').content;
const ASKED = { 'HX-Request': 'true', 'X-CSRF-Token': csrf };
let pointerIsDown = false, held = null;

// A panel replaced between press and release would swallow the click.
addEventListener('pointerdown', () => { pointerIsDown = true; });
for (const kind of ['pointerup', 'pointercancel', 'blur']) {
  addEventListener(kind, () => { pointerIsDown = false; setTimeout(() => { if (held !== null && !pointerIsDown) apply(held); }, 0); });
}

/** Fetch the panels anew. */
export async function fetchBoard() {
  // When the centre cannot be reached the link's own bar says so, and its return fetches everything.
  const answer = await fetch('/screen/board', { headers: ASKED }).catch(() => null);
  if (answer) await take(answer);
}

/** Send a form of the page (acknowledge) and show what came of it. */
export async function sendForm(form) {
  const button = form.querySelector('button');
  button.disabled = true;
  const answer = await fetch(form.action, { method: 'POST', headers: ASKED, body: new FormData(form) }).catch(() => null);
  button.disabled = false;
  if (answer) await take(answer); else tell(_('与中心的连接中断，操作没有送出；请重试。'));
}

function tell(text) {
  const notice = document.getElementById('notice');
  notice.textContent = text;
  notice.hidden = !text;
}

async function take(answer) {
  const login = answer.headers.get('HX-Redirect');
  if (login) { location.assign(login); return; }
  const text = await answer.text();
  const body = new DOMParser().parseFromString(text, 'text/html').body;
  tell(answer.ok ? '' : body.textContent.trim());
  if (!answer.ok) return;
  if (pointerIsDown) held = text; else apply(text);
}

function apply(text) {
  held = null;
  for (const fresh of [...new DOMParser().parseFromString(text, 'text/html').body.children]) {
    const html = fresh.outerHTML, present = document.getElementById(fresh.id);
    if (!present || served.get(fresh.id) === html) continue;
    served.set(fresh.id, html);
    const focused = present.contains(document.activeElement) ? document.activeElement.id : '';
    const scrolled = present.querySelector('ol, ul')?.scrollTop ?? 0;
    const element = document.adoptNode(fresh);
    present.replaceWith(element);
    const list = element.querySelector('ol, ul');
    if (list) list.scrollTop = scrolled;
    if (focused) document.getElementById(focused)?.focus();
  }
  document.dispatchEvent(new Event('board'));
}
