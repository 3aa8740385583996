// Where a kit has been, on a light map; gaps in time are not bridged by a line.
import { Map as LeafletMap, canvas, circleMarker, control, polyline } from '../vendor/leaflet/dist/leaflet-src.esm.js';
import { HOME, addGraticule, addOutlines } from './basemap.js';
import { showMoment, showTime } from './time.js';
import { _ } from './words.js';

const STYLES = {
  neighbour: { color: '#c9d4e2', weight: 1, fillColor: '#e7edf5', fillOpacity: 1 },
  county: { color: '#9db3cf', weight: 1.2, fillColor: '#fbfdff', fillOpacity: 1 },
  prefecture: { color: '#4a77ad', weight: 2.2, fill: false },
};
const MAX_BREAK_MS = 120000;

/** Draw trail and marks into `root`: data-kit, data-from, data-to, perhaps data-lat, data-lon of an incident. */
async function showTrail(root) {
  const map = new LeafletMap(root, { zoomSnap: 0.25, attributionControl: false, preferCanvas: true });
  map.fitBounds(HOME);
  control.scale({ imperial: false }).addTo(map);
  addGraticule(map, '#9db3cf');
  await addOutlines(map, STYLES, () => '');
  map.createPane('trail').style.zIndex = 450;
  const renderer = canvas({ pane: 'trail', padding: 0.3 });
  const told = document.getElementById('trail-told');
  const answer = await fetch(`/kits/${root.dataset.kit}/trail?from_ms=${root.dataset.from}&to_ms=${root.dataset.to}`);
  if (!answer.ok) { if (told) told.textContent = _('轨迹无法读取'); return; }
  const { fixes } = await answer.json();
  const places = fixes.map(([, lat, lon]) => [lat, lon]);
  for (const run of splitRuns(fixes)) {
    polyline(run, { renderer, pane: 'trail', color: '#ffffff', weight: 6, opacity: 0.9, interactive: false }).addTo(map);
    polyline(run, { renderer, pane: 'trail', color: '#0f5fb8', weight: 3, interactive: false }).addTo(map);
  }
  for (const [at_ms, lat, lon, speed_mps, suspect] of fixes) {
    const words = [showMoment(at_ms), speed_mps == null ? '' : `${Math.round(speed_mps * 3.6)} km/h`, suspect ? _('定位可疑') : ''];
    circleMarker([lat, lon], { renderer, pane: 'trail', radius: suspect ? 5 : 3, stroke: suspect, weight: 1, color: '#fff', fillColor: suspect ? '#8a5200' : '#0f5fb8', fillOpacity: 1 }).bindTooltip(words.filter(Boolean).join(' · ')).addTo(map);
  }
  if (places.length) {
    circleMarker(places.at(-1), { renderer, pane: 'trail', radius: 8, weight: 3, color: '#102a4c', fillColor: '#37c98b', fillOpacity: 1 }).bindTooltip(`${_('最新位置')} ${showTime(fixes.at(-1)[0])}`).addTo(map);
  }
  if (root.dataset.lat) {
    const place = [Number(root.dataset.lat), Number(root.dataset.lon)];
    places.push(place);
    circleMarker(place, { renderer, pane: 'trail', radius: 18, weight: 3, color: '#b3141a', fill: false, interactive: false }).addTo(map);
    circleMarker(place, { renderer, pane: 'trail', radius: 8, weight: 2, color: '#fff', fillColor: '#b3141a', fillOpacity: 1 }).bindTooltip(_('报警位置')).addTo(map);
  }
  if (places.length) map.fitBounds(places, { padding: [50, 50], maxZoom: 15, animate: false });
  if (told) told.textContent = _('%(n)s 个定位点', { n: fixes.length });
  root.dataset.fixes = fixes.length;
}

function splitRuns(fixes) {
  const runs = [];
  let before_ms = -Infinity;
  for (const [at_ms, lat, lon] of fixes) {
    if (at_ms - before_ms > MAX_BREAK_MS) runs.push([]);
    runs.at(-1).push([lat, lon]);
    before_ms = at_ms;
  }
  return runs.filter((run) => run.length > 1);
}

const root = document.getElementById('trail');
if (root) await showTrail(root);
