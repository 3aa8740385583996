// The map of Dali: county outlines in SVG below, kits on a canvas above. No tiles, no foreign host.
import { Map as LeafletMap, canvas, control, divIcon, geoJSON, marker, svg } from '../vendor/leaflet/dist/leaflet-src.esm.js';
import { KitMarker } from './markers.js';

const HOME = [[24.68, 98.87], [26.72, 101.05]];
const STYLES = {
  neighbour: { color: '#1b2d49', weight: 1, fillColor: '#0b1626', fillOpacity: 1 },
  county: { color: '#3f78b5', weight: 1.2, fillColor: '#15335a', fillOpacity: 0.62 },
  prefecture: { color: '#7cc4ff', weight: 2.6, fill: false },
};
const LABEL_LIMIT = 60;

/** Build the map in `root`; `counties` is [{name, lat, lon}]. */
export async function createMap(root, counties, onPick) {
  const map = new LeafletMap(root, { zoomControl: false, attributionControl: false, zoomSnap: 0.25, minZoom: 7, maxZoom: 17, preferCanvas: true });
  map.fitBounds(HOME);
  control.zoom({ position: 'bottomright' }).addTo(map);
  control.scale({ imperial: false, position: 'bottomright' }).addTo(map);
  const outlines = await (await fetch(`/static/geo/dali.json`)).json();
  geoJSON(outlines, { renderer: svg({ padding: 0.5 }), style: (f) => STYLES[f.properties.kind], interactive: false }).addTo(map);
  for (const county of counties) {
    const name = document.createElement('span');
    name.className = 'county-name';
    name.textContent = county.name;
    marker([county.lat, county.lon], { interactive: false, keyboard: false, icon: divIcon({ className: 'county-icon', iconSize: [0, 0], html: name }) }).addTo(map);
  }
  // A pane of their own above the outlines: the SVG would hide them otherwise.
  map.createPane('kits').style.zIndex = 450;
  return new KitLayer(map, canvas({ pane: 'kits', padding: 0.3, tolerance: 8 }), onPick);
}

class KitLayer {
  constructor(map, renderer, onPick) {
    this.map = map; this.renderer = renderer; this.onPick = onPick;
    this.kits = new globalThis.Map(); this.markers = new globalThis.Map();
    this.selected = null;
    map.on('click', () => this.pick(null));
  }

  /** Replace everything that is known. */
  setAll(kits) {
    for (const marker of this.markers.values()) marker.remove();
    this.kits.clear(); this.markers.clear();
    for (const kit of kits) this.set(kit);
  }

  /** Take over what is new of a kit; draw it where it is. */
  set(news) {
    const kit = Object.assign(this.kits.get(news.kit_id) ?? { sos: false }, news);
    this.kits.set(kit.kit_id, kit);
    if (kit.lat == null) return;
    kit.selected = this.selected === kit.kit_id;
    const known = this.markers.get(kit.kit_id);
    const label = this.kits.size <= LABEL_LIMIT ? (kit.officer || kit.kit_id) : '';
    if (known) {
      known.options.label = label;
      known.setLatLng([kit.lat, kit.lon]);
      return;
    }
    const marker = new KitMarker([kit.lat, kit.lon], { renderer: this.renderer, pane: 'kits', radius: 12, kit, label });
    marker.on('click', () => this.pick(kit.kit_id));
    this.markers.set(kit.kit_id, marker.addTo(this.map));
  }

  /** Mark the kits somebody must help. */
  setAlarms(kitIds) {
    for (const kit of this.kits.values()) {
      if (kit.sos !== kitIds.has(kit.kit_id)) this.set({ kit_id: kit.kit_id, sos: kitIds.has(kit.kit_id) });
    }
    for (const id of kitIds) this.markers.get(id)?.bringToFront();
  }

  pick(kitId) {
    const before = this.selected;
    this.selected = kitId;
    for (const id of [before, kitId]) if (id && this.kits.has(id)) this.set({ kit_id: id });
    this.onPick(kitId ? this.kits.get(kitId) : null);
  }

  /** Bring a place into view. */
  show(lat, lon, zoom = 12) {
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) this.map.setView([lat, lon], zoom);
    else this.map.flyTo([lat, lon], zoom, { duration: 0.6 });
  }
}
