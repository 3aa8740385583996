"""Presence of a kit, order of its positions, states of its mailbox, limits of what is set aside. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, NamedTuple

import msgspec

from central.base.errors import DomainError, InvalidInputError
from central.devices import times
from contract.messages import TIME_SUSPECTS, Fix
from contract.orders import BODY_OF_ORDER

Presence = Literal["live", "late", "stale", "dark"]

LIVE_MS: Final = 7_000
"""Twice a kit's beat and a little: `edge.uplink.telemetry.BEAT_S`."""
LATE_MS: Final = 60_000
STALE_MS: Final = 600_000
RESTART_MS: Final = 30_000
EMPTY_BATTERY_PCT: Final = 5.0
CLOCK_DOUBT_MS: Final = 120_000
DAY_MS: Final = 24 * 3600 * 1000
# A kit renews by itself at two thirds of its certificate's year; who has fewer days left needs a look.
CERTIFICATE_WARNING_DAYS: Final = 30
GPS_WITHOUT_FIX: Final = frozenset({"none", "lost", "stale", "no_fix", "off"})
OLDEST_BACKLOG_MS: Final = 60 * 24 * 3600 * 1000
PAYLOAD_KEPT_BYTES: Final = 4096
DIGEST_BYTES: Final = 8

_ENCODER: Final = msgspec.json.Encoder()

# Mailbox: from which states an entry may go on. Ends: done, failed, expired.
MAILBOX_STEPS: Final[dict[str, frozenset[str]]] = {
    "waiting": frozenset({"received", "felt", "read", "accepted", "refused", "done", "failed", "expired"}),
    "received": frozenset({"felt", "read", "accepted", "refused", "done", "failed"}),
    "felt": frozenset({"read", "accepted", "refused", "done", "failed"}),
    "read": frozenset({"accepted", "refused", "done", "failed"}),
    "accepted": frozenset({"refused", "done", "failed"}),  # taken on, then found to be impossible
    "refused": frozenset({"accepted"}),
    "done": frozenset({"felt"}),  # a receipt overtaken by a later one
    "failed": frozenset(),
    # the kit had it after all
    "expired": frozenset({"received", "felt", "read", "accepted", "refused", "done", "failed"}),
}


# As an expiry: the kit counts the directive and does nothing about it, whatever its clock says.
LONG_PAST_MS: Final = 0


class UnknownKitError(DomainError):
    """No such kit in the register of the device authority."""

    code: ClassVar[str] = "unknown_kit"


class StaleRegistryError(DomainError):
    """A register older than the one already applied."""

    code: ClassVar[str] = "stale_registry"


@dataclass(frozen=True)
class KitRef:
    """A kit as the intake knows it: number in the database, name, court."""

    kit_no: int
    kit_id: str
    court_code: str


@dataclass(frozen=True)
class PresenceView:
    """What people are told about a kit's presence. `reason` is a code that the pages translate."""

    state: Presence
    reason: str
    since_ms: int | None


class LinkWord(NamedTuple):
    """The newest word about a kit's session: `up`, `lost` (the broker's) or a goodbye (`contract.Beat`)."""

    word: str
    at_ms: int


class PositionRow(NamedTuple):
    """A fix as stored; the order is that of the table's columns. Times in ms, degrees WGS-84."""

    kit_no: int
    spool_no: int
    seq: int
    digest: bytes
    """First 8 bytes of SHA-256 over the item as sent (`digest_item`)."""
    trail_ms: int
    """Where the fix stands in the trail (`trail_time_ms`)."""
    received_ms: int
    at_ms: int
    fix_ms: int | None
    lat: float
    lon: float
    mode: int
    alt_m: float | None
    speed_mps: float | None
    course_deg: float | None
    accuracy_m: float | None
    source: str
    suspect: str


class ItemRow(NamedTuple):
    """An item other than a position, as remembered to recognise it when it comes again."""

    kit_no: int
    spool_no: int
    seq: int
    digest: bytes
    kind: str
    received_ms: int


class ItemKey(NamedTuple):
    """What makes an item unique."""

    kit_no: int
    spool_no: int
    seq: int


def position_row(
    kit_no: int,
    spool_no: int,
    seq: int,
    at_ms: int,
    fix: Fix,
    *,
    digest: bytes,
    received_ms: int,
    written_ms: int | None = None,
) -> PositionRow:
    """Return `fix` as a row of the trail; `written_ms` is when it was written down as the centre believes."""
    fix_ms = fix.fix_ms
    told_ms = None if fix.suspect and fix.suspect in TIME_SUSPECTS else fix_ms
    return PositionRow(
        kit_no,
        spool_no,
        seq,
        digest,
        trail_time_ms(told_ms, at_ms, received_ms, written_ms),
        received_ms,
        at_ms,
        fix_ms,
        fix.lat,
        fix.lon,
        fix.mode,
        fix.alt_m,
        fix.speed_mps,
        fix.course_deg,
        fix.accuracy_m,
        fix.source,
        fix.suspect,
    )


def trail_time_ms(fix_ms: int | None, at_ms: int, received_ms: int, written_ms: int | None = None) -> int:
    """Return the time by which a fix is ordered in the trail.

    The receiver's own time (`fix_ms`), else `written_ms`, else the kit's clock (`at_ms`); but a time ahead of the
    centre's or older than any spool can be is a wrong clock, and then the fix stands where it was received.
    """
    oldest_ms, newest_ms = received_ms - times.OLDEST_MS, received_ms + CLOCK_DOUBT_MS
    if fix_ms is not None and oldest_ms <= fix_ms <= newest_ms:
        return fix_ms
    told_ms = written_ms if written_ms is not None else at_ms
    return told_ms if oldest_ms <= told_ms <= newest_ms else received_ms


def digest_fix(at_ms: int, fix: Fix) -> bytes:
    """Return the short digest of a position item, from its decoded content."""
    return hashlib.sha256(_ENCODER.encode((at_ms, fix))).digest()[:DIGEST_BYTES]


def digest_item(raw: bytes) -> bytes:
    """Return the short digest by which a repeat is told from another item under the same number."""
    return hashlib.sha256(raw).digest()[:DIGEST_BYTES]


def judge_presence(
    *,
    now_ms: int,
    last_heard_ms: int | None,
    revoked: bool,
    duty: bool | None,
    gps: str,
    has_fix: bool,
    link: LinkWord | None = None,
    battery_pct: float | None = None,
    is_deaf: bool = False,
) -> PresenceView:
    """Tell live, late, stale or dark, and why, from when the centre last heard the kit (its own clock).

    The end of the session counts at once when nothing was heard after it; silence alone counts by its length.
    `is_deaf`: the centre itself hears nobody just now, so silence says nothing about the kit.
    """
    if revoked or last_heard_ms is None:
        return PresenceView("dark", "revoked" if revoked else "never_heard", last_heard_ms)
    if link is not None and link.word != "up" and link.at_ms >= last_heard_ms:
        return _judge_gone(now_ms, last_heard_ms, link, duty, battery_pct)
    silent_ms = max(0, now_ms - last_heard_ms)
    if silent_ms <= LIVE_MS:
        return PresenceView("live", _live_reason(duty, gps, has_fix), last_heard_ms)
    state: Presence = "late" if silent_ms <= LATE_MS else _state_of_silence(silent_ms)
    if is_deaf:
        return PresenceView(state, "centre_deaf", last_heard_ms)
    return PresenceView(state, _silent_reason(state, duty, battery_pct), last_heard_ms)


def _judge_gone(
    now_ms: int, last_heard_ms: int, link: LinkWord, duty: bool | None, battery_pct: float | None
) -> PresenceView:
    """Judge a kit whose session has ended."""
    if link.word in ("switched_off", "battery_empty"):
        return PresenceView("dark", link.word, link.at_ms)
    if link.word == "restarting" and now_ms - link.at_ms <= RESTART_MS:
        return PresenceView("late", "restarting", link.at_ms)
    state = _state_of_silence(max(0, now_ms - last_heard_ms))
    return PresenceView(state, _silent_reason(state, duty, battery_pct), link.at_ms)


def _state_of_silence(silent_ms: int) -> Presence:
    return "stale" if silent_ms <= STALE_MS else "dark"


def _silent_reason(state: Presence, duty: bool | None, battery_pct: float | None) -> str:
    if state == "late":
        return "delayed"
    if battery_pct is not None and battery_pct <= EMPTY_BATTERY_PCT:
        return "battery_empty"
    if state == "stale":
        return "link_lost"
    return "off_duty" if duty is False else "silent"


def _live_reason(duty: bool | None, gps: str, has_fix: bool) -> str:
    if duty is False:
        return "off_duty"
    return "heard" if has_fix and gps not in GPS_WITHOUT_FIX else "no_fix"


def clock_offset_ms(kit_ms: int, received_ms: int) -> int:
    """Return how far the kit's clock stands before (+) or behind (-) the centre's, in ms."""
    return kit_ms - received_ms


def doubts_clock(offset_ms: int, error_ms: int | None = 0) -> bool:
    """Tell whether a clock is too far off for its times to order events; None: how far off is not known."""
    return error_ms is not None and abs(offset_ms) > CLOCK_DOUBT_MS + error_ms


def next_mailbox_state(current: str, reported: str, kind: str = "") -> str:
    """Return the state after a receipt; a late or repeated receipt leaves the state as it is.

    A task that its officer has done stays done, though that it was felt is heard of later.
    """
    if kind == "task" and current == "done":
        return current
    return reported if reported in MAILBOX_STEPS.get(current, frozenset()) else current


def is_settled(kind: str, state: str) -> bool:
    """Tell whether a kit has done with a directive: a new card (number 0 on) must count it, not obey it again."""
    return state in ("done", "failed", "refused") or (kind == "sos_ack" and state == "felt")


def check_directive_kind(kind: str) -> str:
    """Return `kind`; raises InvalidInputError when no kit understands it."""
    if kind not in BODY_OF_ORDER:
        raise InvalidInputError(f"Kits know no directive {kind!r}: use one of {', '.join(BODY_OF_ORDER)}.")
    return kind
