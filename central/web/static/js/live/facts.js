// The lines beside a picture: who, of which court, heard when, recording or not, and where he is.
import { now, showLength } from '../time.js';
import { _ } from '../words.js';
import { icon } from './tile.js';

const span = (className, ...parts) => {
  const element = document.createElement('span');
  element.className = className;
  element.append(...parts);
  return element;
};

/** Elements for `source`; `presence` gives word, icon and tone by state. */
export function tellFacts(source, presence) {
  const name = document.createElement(source.kind === 'kit' ? 'a' : 'b');
  name.textContent = source.name;
  name.className = 'tile-who';
  if (source.kind === 'kit') name.href = `/kits/${source.id}`;
  const parts = [name];
  const place = [source.kind === 'kit' && source.id !== source.name ? source.id : '', source.court].filter(Boolean).join(' · ');
  if (place) parts.push(span('of num', place));
  const state = presence[source.presence];
  if (state) parts.push(span(`state ${state.tone}`, icon(state.icon), span('', state.text)));
  if (source.recording) parts.push(span('state bad', icon('record'), span('', _('录像中'))));
  if (source.kind === 'kit') parts.push(span('where num', icon('pin'), tellPlace(source)));
  return parts;
}

function tellPlace({ lat, lon, heard_ms }) {
  if (lat == null) return _('位置未知');
  const place = `${lat.toFixed(5)}°N ${lon.toFixed(5)}°E`;
  const age_ms = heard_ms == null ? 0 : now() - heard_ms;
  return age_ms < 10000 ? place : `${place} · ${_('%(age)s 前', { age: showLength(age_ms) })}`;
}

/** What decides whether the lines must be made anew. */
export function keyOf(source) {
  const { name, court, presence, recording, lat, lon, session, heard_ms } = source;
  const age = heard_ms == null || now() - heard_ms < 10000 ? 0 : Math.floor((now() - heard_ms) / 1000);
  return JSON.stringify([name, court, presence, recording, lat, lon, session, age]);
}
