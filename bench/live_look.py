"""What a browser shows of a live picture, frame by frame: the age of each, read from the strip in the picture itself.

The synthetic camera draws the moment of capture into its picture (`edge.recorder.sources.time_strip`). After each
repaint of a tile's canvas the strip is read back from the canvas's own pixels, so that an age runs from the drawing
of the picture at the kit to the browser having painted it. Kit and browser share one clock: they share a machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from edge.recorder.sources.time_strip import FIELDS, PERIOD_MS

_WATCH: Final = """([selector, fields, period]) => {
  const look = (window.liveLook ??= {})[selector] = { seen: [], worn: 0 };
  const scratch = document.createElement('canvas');
  scratch.width = fields; scratch.height = 1;
  const pen = scratch.getContext('2d', { willReadFrequently: true });
  let last = -1;
  const read = (screen) => {
    const width = screen.videoWidth || screen.width, height = screen.videoHeight || screen.height;
    if (!width) return null;
    const top = Math.floor(height * 2 / 5), rows = Math.max(4, Math.floor(height / 24));
    pen.imageSmoothingEnabled = false;
    pen.drawImage(screen, 0, top + Math.floor(rows / 2), width, 1, 0, 0, fields, 1);
    const dots = pen.getImageData(0, 0, fields, 1).data;
    const bit = (field) => dots[field * 4 + 1] > 128 ? 1 : 0;
    let value = 0, check = 0;
    for (let at = 0; at < 24; at++) value += bit(at + 2) * 2 ** at;
    for (let at = 0; at < 6; at++) check += bit(at + 26) << at;
    const sum = (value ^ value >> 6 ^ value >> 12 ^ value >> 18 ^ 0b101101) & 0b111111;
    return bit(0) === 1 && bit(1) === 0 && check === sum ? value : null;
  };
  const turn = () => {
    const screen = document.querySelector(`${selector} canvas, ${selector} video`);
    if (screen) {
      const value = read(screen);
      if (value === null) look.worn++;
      else if (value !== last) {
        last = value;
        const now = performance.timeOrigin + performance.now();
        const age = ((now - value) % period + period) % period;
        look.seen.push([now, age > period / 2 ? age - period : age]);
      }
    }
    requestAnimationFrame(turn);
  };
  requestAnimationFrame(turn);
}"""


@dataclass(frozen=True)
class Painted:
    """A picture that a browser painted: when (ms since 1970) and how long after its capture (ms)."""

    at_ms: float
    age_ms: float


def watch_tile(page: Any, selector: str) -> None:
    """From now on note each new picture in the tile that `selector` names; of a Playwright page."""
    page.evaluate(_WATCH, [selector, FIELDS, PERIOD_MS])


def read_painted(page: Any, selector: str) -> list[Painted]:
    """What was painted there since the last reading, oldest first."""
    rows = page.evaluate("(selector) => window.liveLook[selector].seen.splice(0)", selector)
    return [Painted(at_ms, age_ms) for at_ms, age_ms in rows]
