// The calendar by keyboard: arrows move by days and weeks, page keys by months, T goes to today.
import './cases.js';

const DAY_MS = 24 * 3600 * 1000;
const STEPS = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 };

/** The link of a day shown now, if any. */
function linkOf(day) { return document.querySelector(`#calendar a[data-day="${day}"]`); }

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest('input, select, textarea')) return;
  const at = document.activeElement?.closest?.('#calendar a')?.dataset.day;
  if (at && event.key in STEPS) {
    const day = new Date(Date.parse(`${at}T00:00:00Z`) + STEPS[event.key] * DAY_MS).toISOString().slice(0, 10);
    event.preventDefault();
    if (linkOf(day)) linkOf(day).focus();
    else document.querySelector(`[data-step="${STEPS[event.key] < 0 ? -1 : 1}"]`).click();
  } else if (event.key === 'PageUp' || event.key === 'PageDown') {
    event.preventDefault();
    document.querySelector(`[data-step="${event.key === 'PageUp' ? -1 : 1}"]`).click();
  } else if (event.key === 't') document.querySelector('[data-today]').click();
});

// The chosen day is marked at once; its list follows.
document.getElementById('calendar').addEventListener('click', (event) => {
  const cell = event.target.closest('td');
  if (!cell) return;
  for (const other of document.querySelectorAll('#calendar td.chosen')) other.classList.remove('chosen');
  cell.classList.add('chosen');
});
