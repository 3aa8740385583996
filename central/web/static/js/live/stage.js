// The pictures of one session: the chosen one big and in full, the others beside it, all of them on a small map.
import { createMap } from '../map.js';
import { Cell } from './cell.js';
import { Sources, learnNow } from './sources.js';

const boot = JSON.parse(document.getElementById('boot').textContent);
const list = document.getElementById('stage-tiles'), chart = document.getElementById('stage-map');
const cells = new Map();
let big = null, layer = null, hasPlaces = false;

const sources = new Sources(boot.sources, `/wall/sources/${boot.session}`, show);

function show() {
  for (const id of cells.keys()) if (!sources.all.has(id)) drop(id);
  for (const source of sources.all.values()) {
    if (!cells.has(source.id)) add(source.id);
    cells.get(source.id).show(source, source.id);
  }
  if (!cells.has(big)) choose(cells.keys().next().value ?? null);
  showPlaces();
}

function add(id) {
  const cell = new Cell({ ...boot, can_ask: false }, cells.size);
  cell.setTab(true);
  cells.set(id, cell);
  list.append(cell.element);
}

/** Who has left goes; whoever stood on his picture by keyboard stands on the next. */
function drop(id) {
  const { tile, element } = cells.get(id), isHeld = element.contains(document.activeElement);
  const beside = element.nextElementSibling ?? element.previousElementSibling;
  tile?.end();
  element.remove();
  cells.delete(id);
  if (isHeld) beside?.focus();
}

/** Who is looked at closely; his picture comes in full. */
function choose(id) {
  big = id;
  for (const [own, cell] of cells) cell.setBig(own === id);
}

function showPlaces() {
  if (!layer) return;
  const kits = [...sources.all.values()].filter(({ kind, lat }) => kind === 'kit' && lat != null);
  chart.hidden = !kits.length;
  for (const { id, name, presence, lat, lon } of kits) layer.set({ kit_id: id, officer: name, presence, lat, lon });
  if (hasPlaces || !kits.length) return;
  hasPlaces = true;
  layer.map.fire('leave-home');
  layer.map.invalidateSize({ animate: false });
  layer.map.fitBounds(kits.map(({ lat, lon }) => [lat, lon]), { padding: [40, 40], maxZoom: 14, animate: false });
}

list.addEventListener('click', (event) => {
  const cell = event.target.closest('.cell');
  if (cell && !event.target.closest('a, button')) choose(cell.dataset.shows);
});
// The space bar is the talk key's: nobody opens his microphone by looking closer, nor the other way round.
list.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || !event.target.matches('.cell')) return;
  event.preventDefault();
  choose(event.target.dataset.shows);
});

// The part that renews itself has come back for the last time: the session is over, and what leads it must go, too.
document.body.addEventListener('htmx:afterSettle', () => {
  const orders = document.getElementById('order-list');
  if (orders && !orders.hasAttribute('hx-get')) location.reload();
});

learnNow(boot.now_ms);
show();
sources.follow({ hasEvents: boot.has_events });
setInterval(show, 1000);
document.getElementById('stage').dataset.ready = 'yes';
layer = await createMap(chart, {}, (kit) => { if (kit) choose(kit.kit_id); });
showPlaces();
