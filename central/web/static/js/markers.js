// Kits on the map, drawn on a canvas in a pane of their own: shape and colour both tell presence.
import { Canvas, CircleMarker, Bounds, Point } from '../vendor/leaflet/dist/leaflet-src.esm.js';

export const COLOURS = { live: '#37c98b', late: '#f0b23c', stale: '#ff5a5c', dark: '#8aa2c2' };
const RED = '#ff4d4f', HALO = '#06101e', INK = '#f2f7ff';
const LABEL_FONT = '600 15px "Noto Sans CJK SC", "Microsoft YaHei", sans-serif';
const LABEL_REACH_PX = 170;

Canvas.include({
  _updateKit(layer) {
    if (!this._drawing || layer._empty()) return;
    drawKit(this._ctx, layer._point, layer.options);
  },
});

/** A marker with `options.kit` {presence, sos, selected, course_deg, speed_mps}, `options.label` and on which side it stands, `options.isLeft`. */
export const KitMarker = CircleMarker.extend({
  options: { interactive: true, bubblingMouseEvents: false },
  _updatePath() { this._renderer._updateKit(this); },
  _updateBounds() {
    const { x, y } = this._point, r = this._radius + 16;
    const reach = this.options.label ? LABEL_REACH_PX : 0, isLeft = this.options.isLeft;
    this._pxBounds = new Bounds(new Point(x - r - (isLeft ? reach : 0), y - r), new Point(x + r + (isLeft ? 0 : reach), y + r));
  },
});

function drawKit(context, { x, y }, { kit, label, isLeft }) {
  const size = kit.sos ? 9 : 7;
  context.save();
  context.lineJoin = 'round';
  if (kit.sos) drawAlarm(context, x, y);
  else if (kit.helped) drawHelped(context, x, y);
  if (kit.selected) { ring(context, x, y, 17, '#ffffff', 2); }
  if (kit.course_deg != null && kit.speed_mps > 0.7 && kit.presence === 'live') drawCourse(context, x, y, size, kit.course_deg);
  context.beginPath();
  SHAPES[kit.presence](context, x, y, size);
  context.lineWidth = 3;
  context.strokeStyle = HALO;
  if (kit.presence === 'dark') {
    context.lineWidth = 6; context.stroke();
    context.lineWidth = 3; context.strokeStyle = kit.sos ? RED : COLOURS.dark; context.stroke();
  } else {
    context.stroke();
    context.fillStyle = kit.sos ? RED : COLOURS[kit.presence];
    context.fill();
  }
  if (label) {
    context.textAlign = isLeft ? 'right' : 'left';
    drawLabel(context, isLeft ? x - size - 7 : x + size + 7, y, label, kit);
  }
  context.restore();
}

const SHAPES = {
  live: (c, x, y, s) => { c.arc(x, y, s, 0, 7); },
  late: (c, x, y, s) => { const d = s * 1.35; c.moveTo(x, y - d); c.lineTo(x + d, y); c.lineTo(x, y + d); c.lineTo(x - d, y); c.closePath(); },
  stale: (c, x, y, s) => { const d = s * 1.3; c.moveTo(x, y - d); c.lineTo(x + d, y + d * 0.8); c.lineTo(x - d, y + d * 0.8); c.closePath(); },
  dark: (c, x, y, s) => { const d = s * 0.85; c.moveTo(x - d, y - d); c.lineTo(x + d, y + d); c.moveTo(x + d, y - d); c.lineTo(x - d, y + d); },
};

function ring(context, x, y, radius, colour, width) {
  context.beginPath(); context.arc(x, y, radius, 0, 7);
  context.lineWidth = width; context.strokeStyle = colour; context.stroke();
}

function drawAlarm(context, x, y) {
  context.beginPath(); context.arc(x, y, 26, 0, 7);
  context.fillStyle = 'rgba(255,77,79,.22)'; context.fill();
  ring(context, x, y, 26, RED, 2); ring(context, x, y, 16, RED, 3);
}

function drawHelped(context, x, y) {
  context.save(); context.setLineDash([7, 5]); ring(context, x, y, 17, COLOURS.late, 3); context.restore();
}

function drawCourse(context, x, y, size, course_deg) {
  const angle = (course_deg - 90) * Math.PI / 180;
  context.save(); context.translate(x, y); context.rotate(angle);
  context.beginPath(); context.moveTo(size + 9, 0); context.lineTo(size - 1, -6); context.lineTo(size - 1, 6); context.closePath();
  context.lineWidth = 3; context.strokeStyle = HALO; context.stroke();
  context.fillStyle = COLOURS.live; context.fill(); context.restore();
}

function drawLabel(context, x, y, label, kit) {
  context.font = LABEL_FONT; context.textBaseline = 'middle';
  context.lineWidth = 4; context.strokeStyle = HALO; context.strokeText(label, x, y);
  context.fillStyle = kit.sos ? '#ffb3b4' : kit.presence === 'dark' ? '#a9bddb' : INK;
  context.fillText(label, x, y);
}
