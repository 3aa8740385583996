// Office pages: menus close when one clicks elsewhere; times count on.
import { prepareSound, setAlarm } from './sound.js';
import { setNow, tick } from './time.js';

document.addEventListener('click', (event) => {
  for (const open of document.querySelectorAll('details.profile[open]')) if (!open.contains(event.target)) open.open = false;
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
