// Cases: the search box and its list by keyboard, fields that another choice shows, printing, where the eye goes next.
const search = () => document.querySelector('[data-search]');
const links = () => [...document.querySelectorAll('[data-row] a.case-no')];

function isTyping(target) {
  return target.closest('input, select, textarea, [contenteditable]') !== null;
}

/** Move the focus among the found cases; above the first stands the search box. */
function step(by) {
  const all = links();
  const at = all.findIndex((link) => link.closest('[data-row]').contains(document.activeElement));
  if (at + by < 0 && search()) { search().focus(); search().select(); return; }
  const next = all[Math.min(all.length - 1, at + by)];
  next?.focus();
  next?.closest('[data-row]').scrollIntoView({ block: 'nearest' });
}

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const isBox = event.target === search();
  if (event.key === '/' && !isTyping(event.target) && search()) {
    search().focus();
    search().select();
  } else if (event.key === 'ArrowDown' && (isBox || event.target.closest('[data-row]'))) step(1);
  else if (event.key === 'ArrowUp' && event.target.closest('[data-row]')) step(-1);
  else if (event.key === 'j' && !isTyping(event.target) && links().length) step(1);
  else if (event.key === 'k' && !isTyping(event.target) && links().length) step(-1);
  else return;
  event.preventDefault();
});

/** Fields that one choice needs are shown with it; without scripts they are always there. */
function arrange() {
  for (const choice of document.querySelectorAll('[data-shows]')) {
    for (const field of document.querySelectorAll(`#${choice.dataset.shows}, [data-of="${choice.id}"]`)) {
      field.hidden = !field.dataset.when.split(' ').includes(choice.value);
    }
  }
  for (const button of document.querySelectorAll('[data-print]')) button.hidden = false;
}

document.addEventListener('change', (event) => { if (event.target.matches?.('[data-shows]')) arrange(); });
document.addEventListener('click', (event) => { if (event.target.closest('[data-print]')) window.print(); });

/** What was refused, or has just been shown, is where the person goes on. */
function goOn(within) { within.querySelector('[data-focus], [aria-invalid]')?.focus(); }

document.body.addEventListener('htmx:afterSettle', (event) => {
  arrange();
  if (!event.target.closest('#office-siren')) goOn(event.target);
});
arrange();
goOn(document);
