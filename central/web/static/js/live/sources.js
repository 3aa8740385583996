// What can be seen, kept fresh: asked for now and then, moved by the event stream in between.
import { openStream } from '../stream.js';
import { setNow } from '../time.js';

const REFRESH_MS = 10000, GATHER_MS = 200, ANSWER_MS = 5000, SAMPLES = 20;
const offsets = [];

/** What the centre says of its time is older by its way here: of several words the one that came fastest counts. */
export function learnNow(now_ms) {
  offsets.push(now_ms - Date.now());
  if (offsets.length > SAMPLES) offsets.shift();
  setNow(Math.max(...offsets) + Date.now());
}

export class Sources {
  /** `first`: sources as the page gave them; `address` gives them anew; `onChange()` after each change. */
  constructor(first, address, onChange) {
    Object.assign(this, { address, onChange, asked: 0, answered: 0 });
    this.all = new Map(first.map((source) => [source.id, source]));
  }

  /** Follow the events of kits and sessions; for who has no right to them asking alone must do. */
  follow({ hasEvents, onLink = () => {} }) {
    setInterval(() => this.refreshSoon(), REFRESH_MS);
    document.addEventListener('visibilitychange', () => this.refreshSoon());
    if (!hasEvents) return;
    openStream({
      snapshot: (data) => { learnNow(data.now_ms); for (const kit of data.kits) this.takeKit(kit); this.refreshSoon(); },
      positions: ({ positions }) => {
        for (const [id, , lat, lon, heard_ms] of positions) if (this.all.has(id)) Object.assign(this.all.get(id), { lat, lon, heard_ms });
        this.onChange();
      },
      kit_changed: ({ kit }) => { if (kit) this.takeKit(kit); this.onChange(); },
      session_changed: () => this.refreshSoon(),
      closed: ({ reason }) => { if (reason !== 'restarting') location.assign('/login'); },
    }, onLink);
  }

  takeKit(kit) {
    const known = this.all.get(kit.kit_id);
    if (!known) return;
    const { presence, lat, lon, last_heard_ms: heard_ms } = kit;
    Object.assign(known, { presence, lat, lon, heard_ms, recording: Boolean(kit.health?.recording) && (presence === 'live' || presence === 'late') });
  }

  refreshSoon() { this.timer ??= setTimeout(() => this.refresh(), GATHER_MS); }

  /** Ask now; without an answer, or while nobody looks, what was known stays. An older answer never comes after a newer. */
  async refresh() {
    clearTimeout(this.timer);
    this.timer = null;
    const number = ++this.asked, told = document.hidden ? null : await ask(this.address);
    if (!told || number < this.answered) return;
    this.answered = number;
    learnNow(told.now_ms);
    this.all = new Map(told.sources.map((source) => [source.id, source]));
    this.onChange();
  }
}

async function ask(address) {
  try {
    const answer = await fetch(address, { headers: { 'X-Passive': 'yes' }, signal: AbortSignal.timeout(ANSWER_MS) });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}
