// The big screen: live markers, alarm queue and siren kept fresh by the event stream.
import { fetchBoard, sendForm } from './board.js';
import { createMap } from './map.js';
import { prepareSound, setAlarm } from './sound.js';
import { openStream } from './stream.js';
import { now, setNow, showMoment, showTime, tick } from './time.js';
import { _ } from './words.js';

const boot = JSON.parse(document.getElementById('boot').textContent);
const byId = (id) => document.getElementById(id);
const REFRESH_MS = 10000, GATHER_MS = 120;
const title = document.title;
let refreshTimer = null, isShowing = false, wantsAgain = false, downSince_ms = null, spoken = '';

setNow(Number(byId('clock').dataset.now));
const layer = await createMap(byId('map'), boot.counties, showKit);

/** Fetch the panels anew, soon and once for many events. */
function refreshSoon() { refreshTimer ??= setTimeout(refresh, GATHER_MS); }

async function refresh() {
  refreshTimer = null;
  if (isShowing) { wantsAgain = true; return; }
  isShowing = true;
  try {
    await fetchBoard();
  } finally {
    isShowing = false;
    if (wantsAgain) { wantsAgain = false; refreshSoon(); }
  }
}

const idsOf = (text) => new Set(text.split(' ').filter(Boolean));

/** After each swap: who waits, and does everybody in the room know it? */
function readSiren() {
  const siren = byId('siren');
  const count = Number(siren.dataset.count);
  setAlarm(count > 0);
  document.title = count ? `(${count}) ${_('紧急求助')} · ${title}` : title;
  document.body.classList.toggle('alarmed', count > 0);
  const words = siren.querySelector('p')?.innerText ?? '';
  if (count && siren.dataset.kits !== spoken) byId('spoken').textContent = words;
  spoken = count ? siren.dataset.kits : '';
  layer.setAlarms(idsOf(siren.dataset.kits), idsOf(byId('queue').dataset.taken));
  tick();
}

function showLink(isUp) {
  const pill = byId('link'), bar = byId('offline');
  pill.className = `pill ${isUp ? 'ok' : 'bad'}`;
  pill.querySelector('span').textContent = isUp ? _('实时连接') : _('连接中断');
  const use = pill.querySelector('use');
  use.setAttribute('href', use.getAttribute('href').replace(/#.*/, isUp ? '#link' : '#link-off'));
  downSince_ms = isUp ? null : now();
  bar.hidden = isUp;
  if (!isUp) byId('offline-since').textContent = _('自 %(time)s 起', { time: showTime(downSince_ms) });
}

function showKit(kit) {
  const card = byId('kit-card');
  card.hidden = !kit;
  if (!kit) return;
  const line = (term, text) => { const row = document.createElement('p'), name = document.createElement('span'); name.textContent = term; row.append(name, text); return row; };
  const head = document.createElement('h2'), link = document.createElement('a');
  head.textContent = kit.officer || kit.kit_id;
  link.href = `/kits/${kit.kit_id}`;
  link.textContent = _('查看装备与轨迹');
  const speed = kit.speed_mps == null ? '—' : `${Math.round(kit.speed_mps * 3.6)} km/h`;
  card.replaceChildren(head, line(kit.kit_id, boot.presence[kit.presence] ?? kit.presence), line(_('原因'), boot.reasons[kit.reason] ?? kit.reason), line(_('速度'), speed), line(_('最近消息'), kit.last_heard_ms ? showMoment(kit.last_heard_ms) : '—'), link);
  card.dataset.presence = kit.presence;
  card.dataset.kit = kit.kit_id;
}

function takeKit(kit) {
  layer.set(kit);
  if (layer.selected === kit.kit_id) showKit(layer.kits.get(kit.kit_id));
}

openStream({
  snapshot(data) { setNow(data.now_ms); layer.setAll(data.kits); readSiren(); refreshSoon(); },
  positions(data) {
    for (const [kit_id, , lat, lon, received_ms, , , speed_mps, course_deg] of data.positions) {
      if (layer.kits.has(kit_id)) takeKit({ kit_id, lat, lon, speed_mps, course_deg, last_heard_ms: received_ms });
    }
  },
  kit_changed(data) { if (data.kit) takeKit(data.kit); refreshSoon(); },
  incident_opened(data) { if (data.lat != null && data.kind !== 'fault') layer.show(data.lat, data.lon, 11); refreshSoon(); },
  incident_changed: refreshSoon,
  recording_changed: refreshSoon,
  session_changed: refreshSoon,
  // A server that restarts is waited for; a log-in that ended is not.
  closed(data) { if (data.reason !== 'restarting') location.assign('/login'); },
}, showLink);

document.body.addEventListener('click', (event) => {
  const button = event.target.closest('.locate');
  if (button) layer.show(Number(button.dataset.lat), Number(button.dataset.lon), Number(button.dataset.zoom ?? 13));
});
document.body.addEventListener('submit', (event) => {
  if (!event.target.matches('form[action$="/acknowledge"]')) return;
  event.preventDefault();
  sendForm(event.target).finally(refreshSoon);
});
byId('home').addEventListener('click', () => layer.showAll());
document.addEventListener('board', readSiren);
prepareSound();
readSiren();
setInterval(tick, 1000);
setInterval(refreshSoon, REFRESH_MS);
document.documentElement.dataset.ready = 'yes';
