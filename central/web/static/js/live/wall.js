// The video wall: tiles, the big one among them, what is taken from the list; all of it stands in the address.
import { tick } from '../time.js';
import { _ } from '../words.js';
import { Cell } from './cell.js';
import { SourceList } from './source-list.js';
import { Sources, learnNow } from './sources.js';
import { Moves } from './wall-moves.js';

const boot = JSON.parse(document.getElementById('boot').textContent);
const byId = (id) => document.getElementById(id);
const grid = byId('tiles'), list = byId('source-list');
const SIZES = [1, 4, 9, 16];

class Wall {
  constructor() {
    this.tiles = [...boot.tiles];
    this.size = boot.size;
    this.big = null;
    this.focus = 0;
    this.cells = [];
    this.sources = new Sources(boot.sources, '/wall/sources', () => this.show());
    this.list = new SourceList(list, boot.presence);
    this.moves = new Moves(this, grid, byId('moving'));
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
    this.moves.cancel();
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
    const cell = new Cell(boot, number, { clear: (place) => this.put(place, ''), lift: (place) => this.moves.lift(place) });
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

  /** A source stands in one place: from another it comes over, in exchange. '': the place becomes free. */
  put(number, id) {
    const known = id ? this.tiles.indexOf(id) : -1;
    if (known >= 0) { this.swap(known, number); return; }
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

  /** What is in a session now, as much of it as there are places. */
  takeLive() {
    this.tiles = [...this.sources.all.values()].filter(({ session }) => session).map(({ id }) => id).slice(0, SIZES.at(-1));
    this.big = null;
    this.setSize(SIZES.find((size) => size >= Math.max(this.tiles.length, 4)));
  }

  /** Two places exchange what they show. The tiles themselves change over, so that their pictures go on. */
  swap(from, to) {
    if (from === to) return;
    for (const row of [this.tiles, this.cells]) [row[from], row[to]] = [row[to] ?? '', row[from] ?? ''];
    this.cells.forEach((cell, place) => cell.setPlace(place));
    grid.append(...this.cells.map(({ element }) => element));
    this.setBig(this.big);
    this.setFocus(to);
  }

  setFocus(number, moves = true) {
    this.focus = Math.min(Math.max(number, 0), this.size - 1);
    this.cells.forEach((cell, place) => cell.setTab(place === this.focus));
    if (moves) this.cells[this.focus].element.focus();
  }

  show() {
    this.cells.forEach((cell, place) => {
      const id = this.tiles[place] ?? '';
      cell.show(this.sources.all.get(id), id);
    });
    this.list.show(this.sources.all, this.tiles);
    if (!this.cells.some((cell) => cell.element.tabIndex === 0)) this.setFocus(this.focus, false);
  }

  /** By so many places on, or back; with the tile, or without. */
  step(by, withTile) {
    const to = this.focus + by;
    if (to < 0 || to >= this.size) return;
    if (withTile) this.swap(this.focus, to);
    else this.setFocus(to);
  }

  remember() {
    const query = new URLSearchParams({ size: this.size, tiles: Array.from({ length: this.size }, (_none, place) => this.tiles[place] ?? '').join(',') });
    if (this.big !== null) query.set('big', this.big);
    if (new URLSearchParams(location.search).get('via') === 'janus') query.set('via', 'janus');
    history.replaceState(null, '', `/wall?${query.toString().replaceAll('%2C', ',').replaceAll('%3A', ':')}`);
  }
}

function showLink(isUp) {
  byId('offline').hidden = isUp;
}

const wall = new Wall();

grid.addEventListener('click', (event) => {
  const cell = event.target.closest('.cell');
  if (!cell || event.target.closest('a, button')) return;
  const number = Number(cell.dataset.number);
  if (wall.moves.putDown(number)) return;
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
  if (step !== undefined) wall.step(step, event.shiftKey);
  else if (event.key === 'Home') wall.setFocus(0);
  else if (event.key === 'End') wall.setFocus(wall.size - 1);
  else if ((event.key === 'Enter' || event.key === ' ') && wall.moves.putDown(wall.focus)) { /* it is where it was to go */ }
  else if ((event.key === 'Enter' || event.key === ' ') && wall.size > 1) wall.setBig(wall.big === wall.focus ? null : wall.focus);
  else if (event.key === 'Escape' && wall.moves.lifted !== null) return;
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
byId('all').addEventListener('click', async () => {
  await wall.sources.refresh();
  wall.takeLive();
});

// On a telephone the pictures come first; the list opens by a touch.
if (boot.tiles.length && matchMedia('(max-width: 600px)').matches) document.querySelector('.sources').open = false;
learnNow(boot.now_ms);
wall.begin();
byId('told').textContent = _('方向键选格，回车放大，Esc 还原，Shift+方向键移动，Delete 移出');
document.documentElement.dataset.ready = 'yes';
