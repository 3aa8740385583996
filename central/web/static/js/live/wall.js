// The video wall: tiles, the big one among them, what is taken from the list; all of it stands in the address.
import { tick } from '../time.js';
import { _ } from '../words.js';
import { Cell } from './cell.js';
import { Sources, learnNow } from './sources.js';

const boot = JSON.parse(document.getElementById('boot').textContent);
const byId = (id) => document.getElementById(id);
const grid = byId('tiles'), list = byId('source-list');
const SIZES = [1, 4, 9, 16], KIND = 'text/zhixing-source';

class Wall {
  constructor() {
    this.tiles = [...boot.tiles];
    this.size = boot.size;
    this.big = null;
    this.focus = 0;
    this.cells = [];
    this.sources = new Sources(boot.sources, '/wall/sources', () => this.show());
  }

  begin() {
    const asked = new URLSearchParams(location.search).get('big');
    this.setSize(this.size);
    if (asked !== null && Number(asked) < this.size) this.setBig(Number(asked));
    this.sources.follow({ hasEvents: true, onLink: showLink });
    setInterval(() => { tick(); this.show(); }, 1000);
  }

  setSize(size) {
    this.size = size;
    while (this.cells.length > size) this.drop(this.cells.pop());
    while (this.cells.length < size) this.add(this.cells.length);
    this.tiles.length = Math.min(this.tiles.length, size);
    if (this.big !== null && this.big >= size) this.big = null;
    this.focus = Math.min(this.focus, size - 1);
    grid.dataset.size = size;
    for (const button of document.querySelectorAll('#sizes button')) button.setAttribute('aria-pressed', Number(button.value) === size);
    this.setBig(size === 1 ? 0 : this.big);
  }

  add(number) {
    const cell = new Cell(boot, number, () => this.put(number, ''));
    this.cells.push(cell);
    grid.append(cell.element);
  }

  drop(cell) {
    cell.tile?.end();
    cell.element.remove();
  }

  /** The big tile has the full stream and most of the room; null: all are alike. */
  setBig(number) {
    this.big = number;
    grid.classList.toggle('has-big', number !== null && this.size > 1);
    this.cells.forEach((cell, place) => cell.setBig(place === number));
    this.show();
    this.remember();
  }

  put(number, id) {
    this.tiles[number] = id;
    this.show();
    this.remember();
  }

  /** Where a source goes that was chosen from the list: the free place first, else the one in focus. */
  choose(id) {
    const known = this.tiles.indexOf(id);
    if (known >= 0) { this.setFocus(known); return; }
    const places = [...Array(this.size).keys()], free = places.find((place) => !this.tiles[place]);
    const place = this.tiles[this.focus] ? free ?? this.focus : this.focus;
    this.put(place, id);
    this.setFocus(place, false);
  }

  swap(from, to) {
    [this.tiles[from], this.tiles[to]] = [this.tiles[to] ?? '', this.tiles[from] ?? ''];
    this.show();
    this.remember();
  }

  setFocus(number, moves = true) {
    this.focus = Math.min(Math.max(number, 0), this.size - 1);
    this.cells.forEach((cell, place) => { cell.element.tabIndex = place === this.focus ? 0 : -1; });
    if (moves) this.cells[this.focus].element.focus();
  }

  show() {
    this.cells.forEach((cell, place) => {
      const id = this.tiles[place] ?? '';
      cell.show(this.sources.all.get(id), id);
    });
    for (const row of list.querySelectorAll('[data-source]')) row.classList.toggle('is-shown', this.tiles.includes(row.dataset.source));
    showList(this.sources.all);
    if (!this.cells.some((cell) => cell.element.tabIndex === 0)) this.setFocus(this.focus, false);
  }

  remember() {
    const query = new URLSearchParams({ size: this.size, tiles: Array.from({ length: this.size }, (_none, place) => this.tiles[place] ?? '').join(',') });
    if (this.big !== null) query.set('big', this.big);
    if (new URLSearchParams(location.search).get('via') === 'janus') query.set('via', 'janus');
    history.replaceState(null, '', `/wall?${query.toString().replaceAll('%2C', ',').replaceAll('%3A', ':')}`);
  }
}

/** A source that begins or ends after the page was made gets or loses its row. */
function showList(all) {
  for (const row of list.querySelectorAll('li')) {
    const source = all.get(row.dataset.source);
    row.dataset.live = source?.session ? 'yes' : 'no';
    if (!source) row.remove();
  }
  for (const source of all.values()) if (!list.querySelector(`[data-source="${CSS.escape(source.id)}"]`)) list.append(makeRow(source));
}

function makeRow(source) {
  const row = document.createElement('li'), button = document.createElement('button'), court = document.createElement('small');
  Object.assign(row, { draggable: true });
  row.dataset.source = source.id;
  court.textContent = [source.kind === 'kit' ? source.id : '', source.court].filter(Boolean).join(' · ');
  button.type = 'button';
  button.append(source.name, court);
  row.append(button);
  return row;
}

function showLink(isUp) {
  byId('offline').hidden = isUp;
}

const wall = new Wall();

grid.addEventListener('click', (event) => {
  const cell = event.target.closest('.cell');
  if (!cell || event.target.closest('a, button')) return;
  const number = Number(cell.dataset.number);
  wall.setFocus(number);
  if (wall.size > 1 && wall.tiles[number]) wall.setBig(wall.big === number ? null : number);
});

grid.addEventListener('focusin', (event) => {
  const cell = event.target.closest('.cell');
  if (cell) wall.setFocus(Number(cell.dataset.number), false);
});

grid.addEventListener('keydown', (event) => {
  if (event.target.closest('a, button')) return;
  const across = Math.sqrt(wall.size);
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
  if (step !== undefined) wall.setFocus(wall.focus + step);
  else if (event.key === 'Home') wall.setFocus(0);
  else if (event.key === 'End') wall.setFocus(wall.size - 1);
  else if ((event.key === 'Enter' || event.key === ' ') && wall.size > 1) wall.setBig(wall.big === wall.focus ? null : wall.focus);
  else if (event.key === 'Escape' && wall.size > 1) wall.setBig(null);
  else if (event.key === 'Delete' || event.key === 'Backspace') wall.put(wall.focus, '');
  else return;
  event.preventDefault();
});

list.addEventListener('click', (event) => {
  const row = event.target.closest('[data-source]');
  if (row && event.target.closest('button')) wall.choose(row.dataset.source);
});
byId('sizes').addEventListener('click', (event) => {
  const size = Number(event.target.closest('button')?.value);
  if (SIZES.includes(size)) wall.setSize(size);
});
byId('all').addEventListener('click', () => {
  const live = [...wall.sources.all.values()].filter(({ session }) => session).map(({ id }) => id).slice(0, 16);
  wall.tiles = live;
  wall.big = null;
  wall.setSize(SIZES.find((size) => size >= Math.max(live.length, 4)) ?? 16);
});

addEventListener('dragstart', (event) => {
  const row = event.target.closest?.('[data-source]'), cell = event.target.closest?.('.cell');
  if (row) event.dataTransfer.setData(KIND, row.dataset.source);
  else if (cell) event.dataTransfer.setData(`${KIND}-place`, cell.dataset.number);
});
grid.addEventListener('dragover', (event) => { if (event.target.closest('.cell') && event.dataTransfer.types.some((type) => type.startsWith(KIND))) event.preventDefault(); });
grid.addEventListener('drop', (event) => {
  const cell = event.target.closest('.cell');
  if (!cell) return;
  event.preventDefault();
  const id = event.dataTransfer.getData(KIND), from = event.dataTransfer.getData(`${KIND}-place`), number = Number(cell.dataset.number);
  if (id) wall.put(number, id);
  else if (from !== '') wall.swap(Number(from), number);
});

// On a telephone the pictures come first; the list opens by a touch.
if (boot.tiles.length && matchMedia('(max-width: 600px)').matches) document.querySelector('.sources').open = false;
learnNow(boot.now_ms);
wall.begin();
byId('told').textContent = _('方向键移动，回车放大，Esc 还原，Delete 移出');
document.documentElement.dataset.ready = 'yes';
