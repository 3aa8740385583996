// The map of Dali on the big screen: outlines in SVG below, kits on a canvas above.
import { Map as LeafletMap, canvas, control } from '../vendor/leaflet/dist/leaflet-src.esm.js';
import { HOME, addGraticule, addOutlines } from './basemap.js';
import { KitMarker } from './markers.js';

const STYLES = {
  neighbour: { color: '#1b2d49', weight: 1, fillColor: '#0b1626', fillOpacity: 1 },
  county: { color: '#3f78b5', weight: 1.2, fillColor: '#15335a', fillOpacity: 0.62 },
  prefecture: { color: '#7cc4ff', weight: 2.6, fill: false },
};
const LABEL_HEIGHT_PX = 20, LABEL_CHAR_PX = 14.5, LABEL_OFFSET_PX = 14, LAYOUT_MS = 300, NAME_CHAR_PX = 25;

/** Build the map in `root`; `counties` is {division code: name}; `onPick` gets a kit or null. */
export async function createMap(root, counties, onPick) {
  const map = new LeafletMap(root, { zoomControl: false, attributionControl: false, zoomSnap: 0.05, zoomDelta: 0.5, wheelPxPerZoomLevel: 120, minZoom: 7, maxZoom: 17, preferCanvas: true });
  map.fitBounds(HOME);
  control.zoom({ position: 'bottomright' }).addTo(map);
  control.scale({ imperial: false, position: 'bottomright' }).addTo(map);
  addGraticule(map, '#27405f');
  const names = await addOutlines(map, STYLES, (code) => counties[code]);
  // A pane of their own above the outlines: the SVG would hide them otherwise.
  map.createPane('kits').style.zIndex = 450;
  // Who sees one county only begins with that county.
  keepHome(map, root, names.length === 1 ? names[0].bounds.pad(0.1) : HOME);
  return new KitLayer(map, canvas({ pane: 'kits', padding: 0.3, tolerance: 8 }), names, onPick);
}

/** The siren and the offline bar change the map's size: keep what is home in view until somebody moves the map. */
function keepHome(map, root, home) {
  let isHome = true;
  const goHome = () => { isHome = true; map.fitBounds(home, { animate: false }); };
  map.on('go-home', goHome);
  map.on('dragstart', () => { isHome = false; });
  root.addEventListener('wheel', () => { isHome = false; }, { passive: true });
  map.on('leave-home', () => { isHome = false; });
  new ResizeObserver(() => {
    map.invalidateSize({ animate: false });
    if (isHome) goHome();
  }).observe(root);
}

class KitLayer {
  constructor(map, renderer, names, onPick) {
    this.map = map; this.renderer = renderer; this.names = names; this.onPick = onPick;
    this.kits = new globalThis.Map(); this.markers = new globalThis.Map();
    this.selected = null;
    map.on('click', () => this.pick(null));
    map.on('moveend', () => this.layoutSoon());
  }

  /** Replace everything that is known. */
  setAll(kits) {
    for (const marker of this.markers.values()) marker.remove();
    this.kits.clear(); this.markers.clear();
    for (const kit of kits) this.set(kit);
  }

  /** Take over what is new of a kit; draw it where it is. */
  set(news) {
    const kit = Object.assign(this.kits.get(news.kit_id) ?? { sos: false, helped: false }, news);
    this.kits.set(kit.kit_id, kit);
    if (kit.lat == null) return;
    kit.selected = this.selected === kit.kit_id;
    const known = this.markers.get(kit.kit_id);
    this.layoutSoon();
    if (known) {
      known.setLatLng([kit.lat, kit.lon]);
      return;
    }
    const marker = new KitMarker([kit.lat, kit.lon], { renderer: this.renderer, pane: 'kits', radius: 12, kit, label: '' });
    marker.on('click', () => this.pick(kit.kit_id));
    this.markers.set(kit.kit_id, marker.addTo(this.map));
  }

  layoutSoon() { this.layoutTimer ??= setTimeout(() => { this.layoutTimer = null; this.layOut(); }, LAYOUT_MS); }

  /** Give labels to the kits whose label covers no other kit and no other label; the urgent ones first. */
  layOut() {
    const places = [...this.markers.values()].map((marker) => ({ marker, kit: marker.options.kit, at: this.map.latLngToContainerPoint(marker.getLatLng()) }));
    const taken = places.map(({ at }) => [at.x - 8, at.y - 8, at.x + 8, at.y + 8]);
    for (const { place, name } of this.names) {
      const at = this.map.latLngToContainerPoint(place), half = name.length * NAME_CHAR_PX / 2;
      taken.push([at.x - half, at.y - NAME_CHAR_PX / 2, at.x + half, at.y + NAME_CHAR_PX / 2]);
    }
    const rank = ({ kit }) => (kit.sos || kit.helped ? 0 : kit.selected ? 1 : kit.presence === 'live' ? 2 : 3);
    const isFree = (box) => taken.every((other) => box[2] < other[0] || box[0] > other[2] || box[3] < other[1] || box[1] > other[3]);
    for (const { marker, kit, at } of places.sort((a, b) => rank(a) - rank(b))) {
      const text = kit.officer || kit.kit_id;
      const width = [...text].reduce((sum, char) => sum + (char > '\u2000' ? LABEL_CHAR_PX : LABEL_CHAR_PX * 0.6), 0);
      const boxAt = (x) => [x, at.y - LABEL_HEIGHT_PX / 2, x + width, at.y + LABEL_HEIGHT_PX / 2];
      const right = boxAt(at.x + LABEL_OFFSET_PX), left = boxAt(at.x - LABEL_OFFSET_PX - width);
      const isOutside = right[2] > this.map.getSize().x;
      const free = [right, left].find((box) => isFree(box) && !(box === right && isOutside));
      const box = free ?? (isOutside ? left : right);
      const label = free || kit.sos || kit.helped || kit.selected ? text : '', isLeft = box === left;
      if (label) taken.push(box);
      if (label !== marker.options.label || isLeft !== marker.options.isLeft) {
        Object.assign(marker.options, { label, isLeft });
        marker.setLatLng(marker.getLatLng());
      }
    }
  }

  /** Mark the kits that nobody has answered yet, and those that are being helped. */
  setAlarms(waiting, taken) {
    for (const kit of this.kits.values()) {
      const sos = waiting.has(kit.kit_id), helped = taken.has(kit.kit_id);
      if (kit.sos !== sos || kit.helped !== helped) this.set({ kit_id: kit.kit_id, sos, helped });
    }
    for (const id of waiting) this.markers.get(id)?.bringToFront();
  }

  pick(kitId) {
    const before = this.selected;
    this.selected = kitId;
    for (const id of [before, kitId]) if (id && this.kits.has(id)) this.set({ kit_id: id });
    this.onPick(kitId ? this.kits.get(kitId) : null);
  }

  /** Show everything again. */
  showAll() { this.map.fire('go-home'); }

  /** Bring a place into view. */
  show(lat, lon, zoom = 12) {
    this.map.fire('leave-home');
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) this.map.setView([lat, lon], zoom);
    else this.map.flyTo([lat, lon], zoom, { duration: 0.6 });
  }
}
