// What lies under kits and trails: county outlines with their names, and a graticule. No tiles, no foreign host.
import { LayerGroup, divIcon, geoJSON, marker, polyline, svg } from '../vendor/leaflet/dist/leaflet-src.esm.js';

export const HOME = [[24.64, 98.86], [26.74, 101.06]];
const GRID_STEPS = [1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];
const GRID_SPACE_PX = 170;

/** Add the outlines in `styles` {neighbour, county, prefecture}; `nameOf(code)` may give a county's name.
 *  Returns where the names stand: [{place, name, bounds}]. */
export async function addOutlines(map, styles, nameOf) {
  const outlines = await (await fetch('/static/geo/dali.json')).json();
  geoJSON(outlines, { renderer: svg({ padding: 0.5 }), style: (f) => styles[f.properties.kind], interactive: false }).addTo(map);
  const counties = outlines.features.filter((feature) => feature.properties.kind === 'county' && nameOf(feature.properties.code));
  const names = counties.map((feature) => ({ place: middleOf(feature), name: nameOf(feature.properties.code), bounds: geoJSON(feature).getBounds() }));
  for (const { place, name } of names) addText(map, place, name, 'county-name');
  return names;
}

/** Lines of latitude and longitude, as far apart as the zoom asks for, with their degrees at the edge. */
export function addGraticule(map, color) {
  const lines = new LayerGroup().addTo(map);
  map.createPane('grid').style.zIndex = 405;
  map.createPane('names').style.zIndex = 420;
  const renderer = svg({ pane: 'grid', padding: 0.1 });
  const draw = () => {
    lines.clearLayers();
    const seen = map.getBounds();
    const perPixel = (seen.getEast() - seen.getWest()) / map.getSize().x;
    const step = GRID_STEPS.findLast((value) => value / perPixel >= GRID_SPACE_PX) ?? 1;
    const digits = Math.max(0, Math.ceil(-Math.log10(step)));
    const style = { renderer, pane: 'grid', color, weight: 1, dashArray: '2 6', interactive: false };
    for (let lat = Math.ceil(seen.getSouth() / step) * step; lat < seen.getNorth(); lat += step) {
      polyline([[lat, seen.getWest()], [lat, seen.getEast()]], style).addTo(lines);
      addText(lines, [lat, seen.getEast()], `${lat.toFixed(digits)}°N`, 'grid-name grid-lat');
    }
    for (let lon = Math.ceil(seen.getWest() / step) * step; lon < seen.getEast(); lon += step) {
      polyline([[seen.getSouth(), lon], [seen.getNorth(), lon]], style).addTo(lines);
      addText(lines, [seen.getNorth(), lon], `${lon.toFixed(digits)}°E`, 'grid-name grid-lon');
    }
  };
  map.on('moveend resize', draw);
  draw();
}

function addText(target, place, text, className) {
  const span = document.createElement('span');
  span.className = className;
  span.textContent = text;
  const icon = divIcon({ className: '', iconSize: [0, 0], html: span });
  marker(place, { interactive: false, keyboard: false, icon, pane: 'names' }).addTo(target);
}

/** The centre of gravity of a shape's largest ring, [lat, lon]. */
function middleOf(feature) {
  const ring = feature.geometry.coordinates.map((polygon) => polygon[0]).sort((a, b) => b.length - a.length)[0];
  let area = 0, lon = 0, lat = 0;
  for (let i = 0; i < ring.length; i += 1) {
    const [x0, y0] = ring[i], [x1, y1] = ring[(i + 1) % ring.length];
    const cross = x0 * y1 - x1 * y0;
    area += cross; lon += (x0 + x1) * cross; lat += (y0 + y1) * cross;
  }
  return [lat / (3 * area), lon / (3 * area)];
}
