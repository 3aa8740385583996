// A place on the wall: a source's tile with its lines, or the word that it is free, or how to begin a session.
import { _ } from '../words.js';
import { keyOf, tellFacts } from './facts.js';
import { LiveTile, icon } from './tile.js';
import { LOW, MAIN } from './wire.js';

export class Cell {
  /** `boot`: url of the relay, presence words, can_ask; `acts`: lift(place), clear(place), where places may be changed. */
  constructor(boot, number, acts = null) {
    this.boot = boot;
    this.element = Object.assign(document.createElement('li'), { className: 'cell', tabIndex: -1 });
    this.picture = Object.assign(document.createElement('div'), { className: 'cell-picture' });
    this.lines = Object.assign(document.createElement('p'), { className: 'cell-lines' });
    this.acts = Object.assign(document.createElement('div'), { className: 'cell-acts' });
    this.element.append(this.picture, this.lines);
    if (acts) {
      this.acts.append(
        makeButton('cell-move', 'move', _('移动本格'), () => acts.lift(this.number)),
        makeButton('cell-clear', 'remove', _('移出本格'), () => acts.clear(this.number)),
      );
      this.element.append(this.acts);
    }
    Object.assign(this, { id: '', session: null, isBig: false, canMove: acts !== null });
    this.setPlace(number);
    this.show(undefined);
  }

  setPlace(number) {
    this.number = number;
    this.element.dataset.number = number;
    this.key = null;
  }

  /** Keys reach one cell of the grid, and what is in it; the arrow keys lead to the others. */
  setTab(isIn) {
    this.element.tabIndex = isIn ? 0 : -1;
    for (const part of this.element.querySelectorAll('a, button')) part.tabIndex = isIn ? 0 : -1;
  }

  /** Show source `id` as `source` tells it; undefined: unknown or gone. Whoever stands in the cell stays in it. */
  show(source, id = '') {
    const isHeld = this.element.contains(document.activeElement);
    this.showPicture(source, id);
    this.showLines(source, id);
    const held = document.activeElement;
    if (isHeld && (!this.element.contains(held) || held.closest('[hidden]'))) this.element.focus({ preventScroll: true });
  }

  showPicture(source, id) {
    const session = source?.session ?? '';
    if (this.id === id && this.session === session) return;
    this.tile?.end();
    this.tile = null;
    Object.assign(this, { id, session, key: null });
    if (session) this.tile = new LiveTile(this.picture, { url: this.boot.url, session, source: id, stream: this.isBig ? MAIN : LOW });
    else this.picture.replaceChildren(id ? this.offer(source, id) : this.tellFree());
    this.element.draggable = this.canMove && id !== '';
    this.element.dataset.shows = id;
    this.acts.hidden = !id;
  }

  showLines(source, id) {
    const key = source ? keyOf(source) : id;
    if (key === this.key) return;
    this.key = key;
    const facts = source ? tellFacts(source, this.boot.presence) : id ? [id] : [];
    this.lines.title = facts.map((fact) => fact.textContent ?? fact).join(' · ');
    this.tell(facts);
    this.element.setAttribute('aria-label', source ? `${this.number + 1} · ${source.name}` : _('第 %(n)s 格', { n: this.number + 1 }));
    this.setTab(this.element.tabIndex === 0);
  }

  /** Lines are made anew each second; the link to the kit stays the same one, with the key press or pointer on it. */
  tell([name, ...others]) {
    const known = this.lines.firstElementChild;
    if (!known || known.textContent !== name?.textContent || known.href !== name.href) { this.lines.replaceChildren(...(name ? [name, ...others] : [])); return; }
    while (known.nextSibling) known.nextSibling.remove();
    known.after(...others);
  }

  /** The big one has the full picture. */
  setBig(isBig) {
    this.isBig = isBig;
    this.element.classList.toggle('is-big', isBig);
    this.element.setAttribute('aria-current', isBig ? 'true' : 'false');
    this.tile?.select(isBig ? MAIN : LOW);
  }

  tellFree() {
    const free = Object.assign(document.createElement('p'), { className: 'cell-free' });
    free.append(icon('camera'), _('空位：从来源中点选或拖入'));
    return free;
  }

  offer(source, id) {
    const box = Object.assign(document.createElement('p'), { className: 'cell-free' });
    box.append(icon('camera-off'), source ? _('未在远程指挥中') : _('此来源不可观看'));
    if (source?.kind === 'kit' && this.boot.can_ask) {
      const link = Object.assign(document.createElement('a'), { className: 'pill', href: `/command/new?kits=${encodeURIComponent(id)}`, textContent: _('发起远程指挥') });
      box.append(link);
    }
    return box;
  }
}

function makeButton(className, picture, words, act) {
  const button = Object.assign(document.createElement('button'), { type: 'button', className, title: words });
  button.setAttribute('aria-label', words);
  button.append(icon(picture));
  button.addEventListener('click', (event) => { event.stopPropagation(); act(); });
  return button;
}
