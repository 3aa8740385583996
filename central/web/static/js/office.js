// Office pages: menus close when one clicks elsewhere; times count on.
import { setNow, tick } from './time.js';

document.addEventListener('click', (event) => {
  for (const open of document.querySelectorAll('details.profile[open]')) if (!open.contains(event.target)) open.open = false;
});
const now_ms = document.querySelector('[data-now]')?.dataset.now;
if (now_ms) setNow(Number(now_ms));
setInterval(tick, 1000);
