// A tile: the picture of one source, with words for how it stands. What is old is never shown as live.
import { _ } from '../words.js';
import { judge } from './condition.js';
import { LivePlayer } from './player.js';

const LOOK_MS = 250, HIDE_MS = 1000;
const tiles = new Set();
let isTicking = false;

/** An icon of the page's set; some element of the page names it in data-icons. */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg'), use = document.createElementNS(svg.namespaceURI, 'use');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  use.setAttribute('href', `${document.querySelector('[data-icons]').dataset.icons}#${name}`);
  svg.append(use);
  return svg;
}

export class LiveTile {
  /** Fill `element` with a source: `url` of the relay (wss://…), `session`, `source`, `stream` (0 full, 1 small). */
  constructor(element, { url, session, source, stream = 1, onPaint }) {
    this.element = element;
    Object.assign(this, { session, source });
    const make = (tag, className) => Object.assign(document.createElement(tag), { className });
    this.picture = make('div', 'tile-picture');
    this.veil = make('p', 'tile-veil');
    this.told = make('span', 'tile-told');
    this.taken = make('span', 'tile-taken num');
    this.bar = make('p', 'tile-bar');
    this.bar.append(this.told, this.taken);
    element.replaceChildren(this.picture, this.veil, this.bar);
    element.classList.add('live-tile');
    const path = `${session}/${encodeURIComponent(source)}`;
    const gateway = new URLSearchParams(location.search).get('via') === 'janus' ? `${url}/live/webrtc/${path}` : '';
    this.player = new LivePlayer(this.picture, `${url}/live/picture/${path}`, { stream, onPaint, gateway });
    this.observer = new IntersectionObserver((seen) => { this.isSeen = seen.at(-1).isIntersecting; this.consider(); });
    this.observer.observe(element);
    tiles.add(this);
    beginTicking();
    this.show();
  }

  get stream() { return this.player.stream; }

  select(stream) { this.player.select(stream); }

  /** Streams flow only while somebody looks; a glance away does not end one. */
  consider() {
    clearTimeout(this.leaving);
    if (this.isSeen && !document.hidden) this.player.watch();
    else this.leaving = setTimeout(() => { this.player.rest(); this.show(); }, HIDE_MS);
  }

  show() {
    const { player } = this, condition = judge(player.facts);
    const { code, tone, words, isOld } = condition;
    Object.assign(this.element.dataset, { condition: code, painted: player.painted, stream: player.playing ?? '', via: player.gateway ? 'janus' : 'relay', latency: Math.round(player.latency_ms ?? -1) });
    this.element.classList.toggle('is-old', isOld);
    if (this.words !== words || this.tone !== tone) {
      Object.assign(this, { words, tone });
      const line = [icon(condition.icon), Object.assign(document.createElement('span'), { textContent: words })];
      this.told.className = `tile-told ${tone}`;
      this.told.replaceChildren(...line);
      this.veil.className = `tile-veil ${tone}`;
      this.veil.replaceChildren(...line.map((part) => part.cloneNode(true)));
    }
    this.veil.hidden = !isOld;
    this.told.hidden = isOld;
    this.taken.textContent = isOld ? '' : showDelay(player.latency_ms);
  }

  /** The tile is given up. */
  end() {
    clearTimeout(this.leaving);
    this.observer.disconnect();
    tiles.delete(this);
    this.player.rest();
    this.player.finish('');
    this.element.classList.remove('live-tile', 'is-old');
    this.element.replaceChildren();
  }
}

function showDelay(latency_ms) {
  if (latency_ms === null) return _('延迟不明');
  // Two clocks are compared by messages that take a moment themselves: finer than this nothing is known.
  return latency_ms < 100 ? _('延迟不到 0.1 秒') : _('延迟 %(n)s 秒', { n: (latency_ms / 1000).toFixed(1) });
}

function beginTicking() {
  if (isTicking) return;
  isTicking = true;
  setInterval(() => { for (const tile of tiles) tile.show(); }, LOOK_MS);
  document.addEventListener('visibilitychange', () => { for (const tile of tiles) tile.consider(); });
  addEventListener('pagehide', () => { for (const tile of tiles) tile.player.rest(); });
}
