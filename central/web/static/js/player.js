// Plays a recording: segments are fetched one by one, decrypted by the centre, appended by Media Source Extensions.
import { _ } from './words.js';
import { showLength } from './time.js';

const AHEAD_S = 20, BEHIND_S = 60, POLL_MS = 4000, TOLD_MS = 4000, NUDGE_S = 0.02;
const box = document.getElementById('player');
const video = box.querySelector('video');
const veil = document.getElementById('veil');
const csrf = document.querySelector('meta[name=csrf]').content;
const base = `/recordings/${box.dataset.recording}`;

class Player {
  constructor(grant) {
    this.grant = grant;
    this.segments = [];
    this.next = 0;
    this.appended = new Set();
    this.previews = new Set();
    this.generation = 0;
    this.working = false;
    this.source = new MediaSource();
    video.src = URL.createObjectURL(this.source);
    this.source.addEventListener('sourceopen', () => this.start(), { once: true });
    video.addEventListener('timeupdate', () => { this.showPlace(); this.work(); });
    video.addEventListener('waiting', () => this.leap());
    video.addEventListener('seeking', () => this.seek());
  }

  async start() {
    await this.readIndex();
    const first = this.segments.find(isPlayable);
    if (!first) { tell(_('尚无可播放的分段')); return; }
    this.next = this.segments.indexOf(first);
    await this.work();
    if (first.at_ms > 0) video.currentTime = first.at_ms / 1000 + NUDGE_S;
    video.play().catch(() => tell(_('请按播放键')));
    setInterval(() => { if (this.awaits()) this.readIndex().then(() => this.work()); }, POLL_MS);
  }

  async readIndex() {
    const answer = await fetch(`${base}/index`);
    if (!answer.ok) return;
    const index = await answer.json();
    this.segments = index.segments;
    this.closed = index.closed;
    growStrip(this.segments);
    markStored(this.segments);
    this.stepBack();
    const last = this.segments.at(-1);
    if (last && this.source.readyState === 'open' && !this.buffer?.updating) {
      const end_s = (last.at_ms + last.duration_ms) / 1000;
      if (!(this.source.duration >= end_s)) this.source.duration = end_s;
    }
  }

  /** Whether anything can still come: more of the recording, or originals. */
  awaits() {
    return !this.closed || this.segments.some((segment) => !segment.is_gap && !segment.stored);
  }

  /** What came since it was passed over, and originals of previews, are fetched next; what lies behind is left. */
  stepBack() {
    for (const segment of this.segments) if (segment.stored && this.previews.has(segment.seq)) this.appended.delete(segment.seq);
    const at_ms = video.currentTime * 1000;
    const index = this.segments.findIndex((segment) => segment.at_ms + segment.duration_ms > at_ms && isPlayable(segment) && !this.appended.has(segment.seq));
    if (index >= 0) this.next = Math.min(this.next, index);
  }

  /** Keep the buffer filled ahead of the playhead, one segment at a time. */
  async work() {
    if (this.working) return;
    this.working = true;
    const generation = this.generation;
    try {
      while (generation === this.generation && this.wantsMore()) {
        const segment = this.segments[this.next];
        this.next += 1;
        if (!isPlayable(segment) || this.appended.has(segment.seq)) continue;
        await this.append(segment, generation);
      }
      await this.forget();
    } catch (error) {
      tell(error.message);
    } finally {
      this.working = false;
    }
    if (generation !== this.generation) this.work();
  }

  wantsMore() {
    const segment = this.segments[this.next];
    return segment !== undefined && segment.at_ms / 1000 < video.currentTime + AHEAD_S;
  }

  async append(segment, generation) {
    const answer = await fetch(`${base}/segments/${segment.seq}/${segment.stored ? 'clear' : 'preview'}?grant=${encodeURIComponent(this.grant)}`);
    if (answer.status === 404 && !segment.stored) { // the original came meanwhile, and its preview is gone
      await this.readIndex();
      return;
    }
    if (!answer.ok) throw new Error(await reasonOf(answer));
    const mime = answer.headers.get('X-Segment-Mime');
    const data = await answer.arrayBuffer();
    if (generation !== this.generation) return;
    if (!MediaSource.isTypeSupported(mime)) throw new Error(_('浏览器不支持 %(mime)s', { mime }));
    if (!this.buffer) {
      this.buffer = this.source.addSourceBuffer(mime);
      this.buffer.mode = 'sequence';
      this.mime = mime;
    } else if (mime !== this.mime) {
      this.buffer.changeType(mime);
      this.mime = mime;
    }
    // The index decides where a segment stands, so that gaps stay visible and a stepped clock shifts nothing.
    this.buffer.timestampOffset = segment.at_ms / 1000;
    await this.act(() => this.buffer.appendBuffer(data));
    this.appended.add(segment.seq);
    const at_ms = video.currentTime * 1000;
    if (!segment.stored) this.previews.add(segment.seq);
    else if (this.previews.delete(segment.seq) && segment.at_ms <= at_ms && at_ms < segment.at_ms + segment.duration_ms) {
      video.currentTime = at_ms / 1000; // the decoder drops what it holds of the preview
    }
    box.dataset.appended = this.appended.size;
    this.showPlace();
  }

  act(change) {
    return new Promise((resolve, reject) => {
      this.buffer.addEventListener('updateend', resolve, { once: true });
      this.buffer.addEventListener('error', () => reject(new Error(_('该段无法解码'))), { once: true });
      change();
    });
  }

  async forget() {
    const limit_s = video.currentTime - BEHIND_S;
    if (!this.buffer || limit_s <= 0 || !this.buffer.buffered.length || this.buffer.buffered.start(0) > limit_s - 10) return;
    await this.act(() => this.buffer.remove(0, limit_s));
    for (const segment of this.segments) if (segment.at_ms + segment.duration_ms < limit_s * 1000) this.appended.delete(segment.seq);
  }

  seek() {
    const at_ms = video.currentTime * 1000;
    const index = this.segments.findIndex((segment) => segment.at_ms + segment.duration_ms > at_ms);
    if (index < 0) return;
    this.generation += 1;
    this.next = index;
    // Segments that were dropped behind must be fetched again.
    const held = this.buffer?.buffered;
    for (const segment of this.segments.slice(index)) {
      if (!isHeld(held, segment.at_ms / 1000 + 0.1)) this.appended.delete(segment.seq);
    }
    this.work();
    this.leap();
  }

  /** At a gap: say why, and go on behind it. */
  leap() {
    const at_s = video.currentTime, held = video.buffered;
    const here = this.segments.find((segment) => segment.at_ms / 1000 <= at_s + 0.3 && at_s + 0.3 < (segment.at_ms + segment.duration_ms) / 1000);
    if (here && !isPlayable(here)) {
      tell(_('此处间断：%(cause)s，%(length)s', { cause: here.words, length: showLength(here.duration_ms) }));
      const after = this.segments.slice(this.segments.indexOf(here) + 1).find(isPlayable);
      if (after) video.currentTime = after.at_ms / 1000 + NUDGE_S;
      return;
    }
    for (let i = 0; i < held.length; i += 1) {
      const start_s = held.start(i);
      if (start_s > at_s && start_s - at_s < 0.5) { video.currentTime = start_s + NUDGE_S; return; }
    }
  }

  showPlace() {
    const at_ms = video.currentTime * 1000;
    document.getElementById('playhead').setAttribute('x', at_ms);
    const here = this.segments.find((segment) => segment.at_ms <= at_ms && at_ms < segment.at_ms + segment.duration_ms);
    document.getElementById('preview').hidden = !this.previews.has(here?.seq);
    for (const row of document.querySelectorAll('tr.is-playing')) row.classList.remove('is-playing');
    if (here) document.querySelector(`#index tr[data-seq="${here.seq}"]`)?.classList.add('is-playing');
  }
}

/** A segment that is here, or a small picture in its place. */
function isPlayable(segment) {
  return !segment.is_gap && (segment.stored || segment.has_proxy);
}

/** What has come since the page was made is said in its line of the index. */
function markStored(segments) {
  for (const segment of segments) {
    if (!segment.stored) continue;
    const row = document.querySelector(`#index tr[data-seq="${segment.seq}"][data-missing]`);
    if (!row) continue;
    row.removeAttribute('data-missing');
    const told = document.createElement('span');
    told.className = 'state ok';
    told.textContent = _('已入库');
    row.lastElementChild.replaceChildren(told);
  }
}

/** A recording that goes on grows its strip too, so that place and length stay true. */
function growStrip(segments) {
  const strip = document.getElementById('strip'), head = document.getElementById('playhead'), last = segments.at(-1);
  if (!last) return;
  const drawn = strip.querySelectorAll('.stored, .missing, .gap'), total_ms = last.at_ms + last.duration_ms;
  segments.forEach((segment, place) => {
    const rect = drawn[place] ?? strip.insertBefore(document.createElementNS(strip.namespaceURI, 'rect'), drawn[0] ?? head);
    const shape = { class: segment.is_gap ? 'gap' : segment.stored ? 'stored' : 'missing', x: segment.at_ms, width: Math.max(segment.duration_ms, 1), y: 8, height: 22 };
    for (const [name, value] of Object.entries(shape)) rect.setAttribute(name, value);
  });
  strip.setAttribute('viewBox', `0 0 ${total_ms} 38`);
  head.setAttribute('width', total_ms / 400);
  strip.nextElementSibling.lastElementChild.textContent = showLength(total_ms);
}

function isHeld(held, at_s) {
  for (let i = 0; held && i < held.length; i += 1) if (held.start(i) <= at_s && at_s < held.end(i)) return true;
  return false;
}

let toldTimer = null;
function tell(text) {
  clearTimeout(toldTimer);
  document.getElementById('told').textContent = text;
  toldTimer = setTimeout(() => { document.getElementById('told').textContent = ''; }, TOLD_MS);
}

async function reasonOf(answer) {
  try { return (await answer.json()).detail; } catch { return _('请求失败（%(status)s）', { status: answer.status }); }
}

veil?.querySelector('form')?.addEventListener('submit', async (event) => {
  event.preventDefault();
  const refused = document.getElementById('refused');
  const answer = await fetch(event.target.action, { method: 'POST', body: new FormData(event.target), headers: { 'X-CSRF-Token': csrf } });
  if (!answer.ok) { refused.textContent = await reasonOf(answer); return; }
  const { grant } = await answer.json();
  veil.hidden = true;
  const player = new Player(grant);
  document.addEventListener('click', (click) => {
    const button = click.target.closest('.seek');
    if (button) { video.currentTime = Number(button.dataset.at) / 1000 + NUDGE_S; video.play().catch(() => {}); }
  });
  document.getElementById('strip').addEventListener('click', (click) => {
    const area = click.currentTarget.getBoundingClientRect();
    const last = player.segments.at(-1);
    if (last) video.currentTime = ((click.clientX - area.left) / area.width) * (last.at_ms + last.duration_ms) / 1000;
  });
});
