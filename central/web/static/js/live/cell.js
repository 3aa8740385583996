// A place on the wall: a source's tile with its lines, or the word that it is free, or how to begin a session.
import { _ } from '../words.js';
import { keyOf, tellFacts } from './facts.js';
import { LiveTile, icon } from './tile.js';
import { LOW, MAIN } from './wire.js';

export class Cell {
  /** `boot`: url of the relay, presence words, can_ask; `onClear` when somebody takes the source away. */
  constructor(boot, number, onClear) {
    this.boot = boot;
    this.element = Object.assign(document.createElement('li'), { className: 'cell', tabIndex: -1, draggable: true });
    this.element.dataset.number = number;
    this.picture = Object.assign(document.createElement('div'), { className: 'cell-picture' });
    this.lines = Object.assign(document.createElement('p'), { className: 'cell-lines' });
    this.clear = Object.assign(document.createElement('button'), { type: 'button', className: 'cell-clear', title: _('移出本格') });
    this.clear.setAttribute('aria-label', _('移出本格'));
    this.clear.append(icon('withdrawn'));
    this.clear.addEventListener('click', (event) => { event.stopPropagation(); onClear(); });
    this.element.append(this.picture, this.lines, this.clear);
    Object.assign(this, { id: '', session: null, isBig: false, number });
    this.show(undefined);
  }

  /** Show source `id` as `source` tells it; undefined: unknown or gone. */
  show(source, id = '') {
    const session = source?.session ?? '';
    if (this.id !== id || this.session !== session) {
      this.tile?.end();
      this.tile = null;
      Object.assign(this, { id, session });
      if (session) this.tile = new LiveTile(this.picture, { url: this.boot.url, session, source: id, stream: this.isBig ? MAIN : LOW });
      else this.picture.replaceChildren(id ? this.offer(source, id) : this.tellFree());
      this.key = '';
    }
    this.clear.hidden = !id;
    this.element.dataset.shows = id;
    const key = source ? keyOf(source) : id;
    if (key === this.key) return;
    this.key = key;
    this.lines.replaceChildren(...(source ? tellFacts(source, this.boot.presence) : id ? [id] : []));
    this.element.setAttribute('aria-label', source ? `${this.number + 1} · ${source.name}` : _('第 %(n)s 格', { n: this.number + 1 }));
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
