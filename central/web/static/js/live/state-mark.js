// How a connection stands: an icon, a colour and a word together.
const SHAPES = { open: ['ok', '#check-circle'], connecting: ['off', '#waiting'], broken: ['warn', '#warning'] };

/** `place` holds the word inside of a .state with an icon. */
export function markState(place, state, words) {
  const [tone, shape] = SHAPES[state] ?? ['off', '#link-off'];
  const mark = place.parentElement, use = mark.querySelector('use');
  mark.className = `state ${tone}`;
  use.setAttribute('href', use.getAttribute('href').replace(/#.*/, shape));
  if (place.textContent !== words) place.textContent = words;
}
