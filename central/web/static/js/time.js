// Clock and waiting times, counted by the centre's clock and not by the browser's.
const ZONE_MS = 8 * 3600 * 1000;
let offset_ms = 0;

/** Tell how the centre's clock stands now, ms since 1970. */
export function setNow(now_ms) { offset_ms = now_ms - Date.now(); }
export function now() { return Date.now() + offset_ms; }

/** 2026-11-23 15:04:05 in Asia/Shanghai, whatever the browser's zone is. */
export function showMoment(at_ms) { return new Date(at_ms + ZONE_MS).toISOString().slice(0, 19).replace('T', ' '); }

/** 15:04:05. */
export function showTime(at_ms) { return showMoment(at_ms).slice(11); }

/** 0:42, 12:05 or 1:02:05. */
export function showLength(length_ms) {
  const seconds = Math.max(0, Math.floor(length_ms / 1000));
  const two = (n) => String(n).padStart(2, '0');
  const hours = Math.floor(seconds / 3600), minutes = Math.floor(seconds / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** Move the clock and every waiting time on; once a second. */
export function tick() {
  const clock = document.getElementById('clock');
  if (clock) clock.textContent = showMoment(now());
  for (const element of document.querySelectorAll('[data-since]')) {
    element.textContent = showLength(now() - Number(element.dataset.since));
  }
}
