"""How values are shown: times in Asia/Shanghai, sizes, distances, coordinates."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from markupsafe import Markup, escape

from central.web.i18n import Words
from central.web.labels.field import TIME_SOURCES

# China has had one time zone and no summer time since 1991.
SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
NOTHING = "—"
# From here on an error reads better as a span.
WIDE_MS = 60_000
# Up to here an error is not worth a word beside a time in seconds.
PRECISE_MS = 1000
# From 0001-01-02 to 9999-12-31 in Shanghai.
_FIRST_MS = -62_135_510_400_000
_LAST_MS = 253_402_271_999_000


def in_shanghai(at_ms: int) -> datetime:
    """Return ms since 1970 UTC as a datetime in Asia/Shanghai; beyond the calendar, its first or last day."""
    return datetime.fromtimestamp(min(max(at_ms, _FIRST_MS), _LAST_MS) / 1000, UTC).astimezone(SHANGHAI)


def show_moment(at_ms: int | None) -> str:
    """2026-11-23 15:04:05."""
    return NOTHING if at_ms is None else in_shanghai(at_ms).strftime("%Y-%m-%d %H:%M:%S")


def show_time(at_ms: int | None) -> str:
    """15:04:05."""
    return NOTHING if at_ms is None else in_shanghai(at_ms).strftime("%H:%M:%S")


def show_date(at_ms: int | None) -> str:
    """2026-11-23."""
    return NOTHING if at_ms is None else in_shanghai(at_ms).strftime("%Y-%m-%d")


def show_size(size_bytes: int | None) -> str:
    """1.4 MB; powers of ten, as disks are sold."""
    if size_bytes is None:
        return NOTHING
    size, unit = float(size_bytes), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):  # noqa: B007 - the unit reached is what we want
        if size < 1000:
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"


def show_length(length_ms: int | None) -> str:
    """1:02:05 or 2:05."""
    if length_ms is None:
        return NOTHING
    seconds = round(length_ms / 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def show_place(lat: float | None, lon: float | None) -> str:
    """25.59200°N 100.23000°E (WGS-84)."""
    if lat is None or lon is None:
        return NOTHING
    return f"{abs(lat):.5f}°{'N' if lat >= 0 else 'S'} {abs(lon):.5f}°{'E' if lon >= 0 else 'W'}"


def show_speed(speed_mps: float | None) -> str:
    """12 km/h."""
    return NOTHING if speed_mps is None else f"{speed_mps * 3.6:.0f} km/h"


def show_money(fen: int | None) -> str:
    """1,234,567.00; yuan from fen."""
    return NOTHING if fen is None else f"{fen // 100:,}.{fen % 100:02}"


def mark_text(text: str, needle: str) -> Markup:
    """Return `text` as HTML with every occurrence of `needle` marked."""
    needle = unicodedata.normalize("NFKC", needle).strip()
    if not needle:
        return escape(text)
    parts = re.split(f"({re.escape(needle)})", text, flags=re.IGNORECASE)
    return Markup("").join(
        Markup("<mark>{}</mark>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts)
    )


def ago(words: Words) -> Callable[[int | None, int], str]:
    """Return the filter that tells how long ago a moment was."""

    def show_ago(at_ms: int | None, now_ms: int) -> str:
        if at_ms is None:
            return words("从未")
        seconds = max(0, (now_ms - at_ms) // 1000)
        if seconds < 60:
            return words("%(n)s 秒前", n=seconds)
        if seconds < 3600:
            return words("%(n)s 分钟前", n=seconds // 60)
        if seconds < 86_400:
            return words("%(n)s 小时前", n=seconds // 3600)
        return words("%(n)s 天前", n=seconds // 86_400)

    return show_ago


def told(words: Words) -> Callable[[int | None, int | None, str], str]:
    """Return the filter that shows a moment of a kit with how sure it is (`central.devices.times.Told`)."""

    def show_told(at_ms: int | None, error_ms: int | None, by: str) -> str:
        if at_ms is None:
            return NOTHING
        if error_ms is None:
            if by == "received":
                return words("不晚于 %(at)s", at=show_moment(at_ms))
            return words("%(at)s（%(by)s，误差未知）", at=show_moment(at_ms), by=words(look_up_source(by)))
        source = words(look_up_source(by))
        if error_ms >= WIDE_MS:
            first, last = show_moment(at_ms - error_ms), show_moment(at_ms + error_ms)
            if first[:10] == last[:10]:
                last = last[11:]
            return words("%(first)s 至 %(last)s 之间（%(by)s）", first=first, last=last, by=source)
        seconds = math.ceil(error_ms / 1000)
        return words("%(at)s ±%(n)s 秒（%(by)s）", at=show_moment(at_ms), n=seconds, by=source)

    return show_told


def told_short(words: Words) -> Callable[[int, int | None, str, int], str]:
    """Return the filter for a moment of a kit in a narrow place: the day only when it is another than `beside_ms`'s.

    A moment known to a second is a mere time; whatever else is known of it is said.
    """

    def show_short(at_ms: int, error_ms: int | None, by: str, beside_ms: int) -> str:
        def short(moment_ms: int) -> str:
            same_day = show_date(moment_ms) == show_date(beside_ms)
            return show_time(moment_ms) if same_day else show_moment(moment_ms)[5:]

        if error_ms is None and by == "received":
            return words("不晚于 %(at)s", at=short(at_ms))
        if error_ms is None:
            return words("%(at)s（%(by)s）", at=short(at_ms), by=words(look_up_source(by)))
        if error_ms >= WIDE_MS:
            return words("%(first)s 至 %(last)s", first=short(at_ms - error_ms), last=short(at_ms + error_ms))
        if error_ms > PRECISE_MS:
            return words("%(at)s ±%(n)s 秒", at=short(at_ms), n=math.ceil(error_ms / 1000))
        return short(at_ms)

    return show_short


def look_up_source(by: str) -> str:
    """Return on whose time a moment rests, in words to be translated."""
    label = TIME_SOURCES.get(by)
    return label.text if label is not None else by


def filters(words: Words) -> dict[str, Callable[..., Any]]:
    """Return the template filters of one language."""
    return {
        "moment": show_moment,
        "clock": show_time,
        "day": show_date,
        "size": show_size,
        "duration": show_length,
        "speed": show_speed,
        "money": show_money,
        "mark": mark_text,
        "ago": ago(words),
        "told": told(words),
        "told_short": told_short(words),
    }
