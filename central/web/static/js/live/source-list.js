// The list beside the tiles: a row for each source, changed in place as sources come, change and go.
import { _ } from '../words.js';
import { icon } from './tile.js';

/** So long after the last touch of the list its rows keep their order: what is about to be pressed does not move away. */
const CALM_MS = 5000;

export class SourceList {
  /** `list` with the rows that the page came with; `presence` gives word, icon and tone by state. */
  constructor(list, presence) {
    Object.assign(this, { list, presence, isDragged: false, touched_ms: -CALM_MS });
    this.rows = new Map([...list.querySelectorAll('[data-source]')].map((row) => [row.dataset.source, { row, key: '' }]));
    const touch = () => { this.touched_ms = performance.now(); };
    for (const name of ['pointermove', 'pointerdown', 'keydown', 'scroll']) list.parentElement.addEventListener(name, touch, { passive: true });
    list.addEventListener('dragstart', () => { this.isDragged = true; });
    addEventListener('dragend', () => { this.isDragged = false; });
  }

  /** Show `all` sources (a map by id, in their order); `shown`: ids of those on the wall. */
  show(all, shown) {
    for (const [id, { row }] of this.rows) row.classList.toggle('is-shown', shown.includes(id));
    // A browser ends a drag without a word when what is dragged goes: the list waits until it was put down.
    if (this.isDragged) return;
    for (const source of all.values()) this.tell(source, shown);
    for (const id of this.rows.keys()) if (!all.has(id)) this.remove(id);
    this.tellEmpty(all.size === 0);
    this.order(all);
  }

  tell(source, shown) {
    const known = this.rows.get(source.id) ?? this.add(source.id, shown);
    const { kind, name, court, session, purpose, presence } = source, key = JSON.stringify([kind, name, court, session, purpose, presence]);
    if (known.key === key) return;
    known.key = key;
    known.row.dataset.live = session ? 'yes' : 'no';
    const [words, place] = known.row.querySelector('button').childNodes;
    words.data = name;
    place.textContent = [kind === 'kit' ? source.id : '', court].filter(Boolean).join(' · ');
    showMark(known.row, source, this.presence[presence]);
  }

  add(id, shown) {
    const row = Object.assign(document.createElement('li'), { draggable: true });
    const button = Object.assign(document.createElement('button'), { type: 'button' });
    button.append(document.createTextNode(''), Object.assign(document.createElement('small'), { className: 'num' }));
    row.dataset.source = id;
    row.classList.toggle('is-shown', shown.includes(id));
    row.append(button);
    this.list.append(row);
    const entry = { row, key: '' };
    this.rows.set(id, entry);
    return entry;
  }

  /** Whoever stands in the row that goes stands in the next one then. */
  remove(id) {
    const { row } = this.rows.get(id), isHeld = row.contains(document.activeElement);
    const beside = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    this.rows.delete(id);
    if (isHeld) (beside?.querySelector('button') ?? this.list.parentElement.querySelector('summary')).focus();
  }

  tellEmpty(isEmpty) {
    const told = this.list.querySelector('.empty');
    if (!isEmpty) told?.remove();
    else if (!told) this.list.append(Object.assign(document.createElement('li'), { className: 'empty', textContent: _('没有可以观看的来源') }));
  }

  /** In the order of the sources, once the list is left alone; the row with the focus is the one that is not moved. */
  order(all) {
    if (performance.now() - this.touched_ms < CALM_MS) return;
    const held = document.activeElement.closest('[data-source]');
    let at = this.list.firstElementChild, isMoved = false;
    for (const id of all.keys()) {
      const { row } = this.rows.get(id);
      if (row === at) { at = at.nextElementSibling; continue; }
      isMoved = true;
      if (row !== held) { this.list.insertBefore(row, at); continue; }
      while (at !== held) {
        const next = at.nextElementSibling;
        this.list.append(at);
        at = next;
      }
      at = held.nextElementSibling;
    }
    if (isMoved && held?.querySelector(':focus-visible')) held.scrollIntoView({ block: 'nearest' });
  }
}

/** Beside the name: the way to the session, else the word for how the kit stands. */
function showMark(row, { session, purpose }, state) {
  const button = row.querySelector('button'), known = button.nextElementSibling;
  if (session && known?.matches('a')) { Object.assign(known, { href: `/command/${session}`, title: purpose }); return; }
  const isHeld = known !== null && known.contains(document.activeElement);
  known?.remove();
  if (session) row.append(makeLink(session, purpose));
  else if (state) row.append(makeState(state));
  if (isHeld) button.focus({ preventScroll: true });
}

function makeLink(session, purpose) {
  const link = Object.assign(document.createElement('a'), { href: `/command/${session}`, title: purpose });
  link.append(icon('live'), Object.assign(document.createElement('span'), { className: 'visually-hidden', textContent: _('打开会话') }));
  return link;
}

function makeState({ text, icon: picture, tone }) {
  const state = Object.assign(document.createElement('span'), { className: `state ${tone}` });
  state.append(icon(picture), Object.assign(document.createElement('span'), { textContent: text }));
  return state;
}
