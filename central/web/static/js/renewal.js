// Parts of a page that renew themselves take nobody's place away: neither the focus of keys nor how far one has scrolled.
let stood = [];
const scrolled = new Map();

document.body.addEventListener('htmx:beforeSwap', () => {
  stood = [];
  for (let at = document.activeElement; at && at !== document.body; at = at.parentElement) if (at.id) stood.push(at.id);
  scrolled.clear();
  for (const { id, scrollTop, scrollHeight } of document.querySelectorAll('.scroll[id]')) if (scrollTop) scrolled.set(id, scrollHeight - scrollTop);
});

document.body.addEventListener('htmx:afterSettle', () => {
  // The newest stands first: what was being read is as far from the end as it was.
  for (const [id, rest] of scrolled) {
    const list = document.getElementById(id);
    if (list && list.scrollHeight - list.scrollTop !== rest) list.scrollTop = list.scrollHeight - rest;
  }
  // htmx itself finds what has come again under its id. What has gone leaves whoever stood on it with what is around it.
  if (document.activeElement !== document.body) return;
  const part = stood.map((id) => document.getElementById(id)).find((found) => found?.getClientRects().length);
  if (!part) return;
  if (part.tabIndex < 0) part.tabIndex = -1;
  part.focus({ preventScroll: true });
});
