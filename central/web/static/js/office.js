// Office pages: menus close when one clicks or goes elsewhere; times count on.
import './renewal.js';
import { prepareSound, setAlarm } from './sound.js';
import { setNow, tick } from './time.js';

document.addEventListener('click', (event) => {
  for (const open of document.querySelectorAll('details.profile[open]')) if (!open.contains(event.target)) open.open = false;
});
// What lies over the page covers nothing that keys have gone on to; Escape gives it up.
const OVERLAYS = 'details.profile[open], details.end-session[open]';
document.addEventListener('focusout', ({ target, relatedTarget }) => {
  const open = target.closest(OVERLAYS);
  if (open && relatedTarget && !open.contains(relatedTarget)) open.open = false;
});
document.addEventListener('keydown', ({ key, target }) => {
  const open = key === 'Escape' && target.closest?.(OVERLAYS);
  if (!open) return;
  open.open = false;
  open.querySelector('summary').focus();
});
const now_ms = document.querySelector('[data-now]')?.dataset.now;
document.querySelector('.main-nav [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
if (now_ms) setNow(Number(now_ms));
setInterval(tick, 1000);

// An SOS is not missed while somebody reads another page.
document.body.addEventListener('htmx:afterSettle', () => {
  const siren = document.getElementById('office-siren');
  if (!siren) return;
  setAlarm(Number(siren.dataset.count) > 0);
  tick();
});
// A part that renews itself waits while somebody writes in it.
document.body.addEventListener('htmx:beforeRequest', (event) => {
  const part = event.detail.elt;
  if (part.getAttribute('hx-trigger')?.startsWith('every') && part.querySelector('details[open]')) event.preventDefault();
});
prepareSound();
