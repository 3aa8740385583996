"""One time scale over passes of a looped file, cameras that jump and streams that leave stamps out."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

# A camera whose stamps leap further than this between two frames started its clock anew.
_LEAP_US: Final = 5_000_000
# A time base in whole numbers, µs in so many ticks: some hundred stamps are converted each second, and a Fraction
# took longer over one than all else that is done with a picture.
_Base = tuple[int, int]
_MICROSECONDS: Final[_Base] = (1, 1)


class Timeline:
    """Turns a stream's own stamps into µs since the first picture; pictures never go back."""

    def __init__(self, fps: float) -> None:
        self._frame_us = round(1_000_000 / fps)
        self._picture_base = self._sound_base = _MICROSECONDS
        self._shift_us: int | None = None
        self._last_us: int | None = None
        self._last_key_us: int | None = None
        self._due_us = 0

    @property
    def since_key_us(self) -> int:
        """Time between the newest picture and the newest key frame (0 before the first picture)."""
        if self._last_us is None or self._last_key_us is None:
            return 0
        return self._last_us - self._last_key_us

    def use(self, picture_base: Fraction | None, sound_base: Fraction | None) -> None:
        """Time bases of the streams that the coming stamps belong to."""
        self._picture_base, self._sound_base = _describe(picture_base), _describe(sound_base)

    def begin_pass(self) -> None:
        """The next picture follows the last one by one frame, whatever its stamp."""
        self._shift_us = None

    def stamp_picture(self, pts: int | None, dts: int | None, *, key: bool) -> tuple[int, int]:
        """(presentation, decoding) time of a picture in µs; stamps left out are made up from the frame rate."""
        next_us = 0 if self._last_us is None else self._last_us + self._frame_us
        base = self._picture_base
        stamp = dts if dts is not None else pts
        if stamp is None:
            dts_us = next_us
        else:
            raw_us = _to_us(stamp, base)
            if self._shift_us is None or self._leaps(raw_us + self._shift_us):
                self._shift_us = next_us - raw_us
            dts_us = raw_us + self._shift_us
        if self._last_us is not None and dts_us <= self._last_us:
            dts_us = self._last_us + 1
        self._last_us = dts_us
        if key or self._last_key_us is None:
            self._last_key_us = dts_us
        if pts is None or self._shift_us is None:
            return dts_us, dts_us
        return max(dts_us, _to_us(pts, base) + self._shift_us), dts_us

    def stamp_sound(self, pts: int) -> int:
        """Time of a piece of sound in µs; negative while no picture has come."""
        if self._shift_us is None:
            return -1
        return self.sound_us(pts) + self._shift_us

    def sound_us(self, ticks: int) -> int:
        """A length of sound in µs."""
        return _to_us(ticks, self._sound_base)

    def is_due(self, pts_us: int, fps: float) -> bool:
        """Whether a picture is to be kept when at most ``fps`` a second are wanted."""
        interval_us = 1_000_000 / fps
        if pts_us < self._due_us - interval_us / 2:
            return False
        self._due_us = max(self._due_us + round(interval_us), pts_us - round(interval_us))
        return True

    def _leaps(self, at_us: int) -> bool:
        return self._last_us is not None and not -_LEAP_US < at_us - self._last_us < _LEAP_US


def _describe(base: Fraction | None) -> _Base:
    return (base.numerator * 1_000_000, base.denominator) if base else _MICROSECONDS


def _to_us(ticks: int, base: _Base) -> int:
    """Rounded as Python rounds a Fraction: to the nearest, a half to the even."""
    whole, rest = divmod(ticks * base[0], base[1])
    above_half = 2 * rest - base[1]
    return whole + (above_half > 0 or (above_half == 0 and whole & 1))
