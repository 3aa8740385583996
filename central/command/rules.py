"""Who may ask for and decide a remote command (seed 13), on what, and what its record is bound by. Pure.

A request names the kits, the ground and the court that is to command: the own one or one above it. A person of that
court who may decide grants or refuses it; a session is begun on a decision and on nothing else. Two exceptions, both
on record: a commander decides on his own motion, and in an emergency (an SOS that is not over, or an officer who asks
to be watched) a duty operator begins at once; somebody entitled must ratify that within a day.
Who may do what in a session that is open: `session_rights`.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Final

import msgspec

from central.base.errors import ConflictError, DomainError, ForbiddenError, InvalidInputError
from central.base.settings import Settings
from central.courts.permissions import Actor, sees_court

VOICES: Final = ("ptt", "duplex", "off")
GROUNDS: Final = ("incident", "watch_me", "task", "other")
"""What a request rests on. `watch_me`: the officer's own press, which is the request."""
KINDS: Final = ("ordinary", "own_motion", "emergency")
"""How it was decided."""
REQUEST_STATES: Final = ("asked", "granted", "refused", "withdrawn", "lapsed")
# request state -> act -> next state; what is not listed is refused. The database settles races by it.
TRANSITIONS: Final[dict[str, dict[str, str]]] = {
    "asked": {"grant": "granted", "refuse": "refused", "withdraw": "withdrawn", "lapse": "lapsed"},
    "granted": {},
    "refused": {},
    "withdrawn": {},
    "lapsed": {},
}
ENTRY_KINDS: Final = (
    "requested", "decided", "ratified", "begun", "kit_joined", "kit_left", "called_again", "invited", "uninvited",
    "voice_set", "watch_begun", "watch_ended", "listen_begun", "listen_ended", "talk_begun", "talk_ended",
    "published", "unpublished", "ordered", "read_back", "told", "outlet_granted", "outlet_ended", "ended",
    "record_sealed",
)  # fmt: skip
GUEST_KINDS: Final = ("court", "person", "camera")
# Rights of which any opens the pages of remote command; what one sees there is narrowed further.
VIEW_ACTIONS: Final = ("request_command", "decide_command", "start_command", "watch_live", "talk_live")

MAX_KITS: Final = 64
MAX_REASON_CHARS: Final = 500
MAX_ORDER_CHARS: Final = 500
MAX_INSTRUCTIONS: Final = 1000
ASKED_MS: Final = 24 * 3600 * 1000
"""A request that nobody decides lapses."""
START_WITHIN_MS: Final = 24 * 3600 * 1000
"""A decision that nobody makes use of is worth nothing after that."""
RATIFY_WITHIN_MS: Final = 24 * 3600 * 1000
"""Within this somebody entitled confirms or disapproves what was begun in an emergency (domain: directives)."""
CALL_MS: Final = 60_000
"""A kit that does not hear the call within that time is not called: a picture nobody waits for any more."""
READ_BACK_MS: Final = 60_000
"""A numbered order without answer for longer stands first."""
UNANSWERED: Final = frozenset({"waiting", "received", "felt", "read"})
GENESIS: Final = bytes(32)
_DOMAIN: Final = b"zhixing session v1\n"
_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


class CommandDraftError(InvalidInputError):
    """What was filled in cannot be asked or ordered so."""

    code: ClassVar[str] = "command_draft"


class CommandKitError(ConflictError):
    """This kit cannot be called: revoked, locked as lost, or not this court's to command."""

    code: ClassVar[str] = "command_kit"


class RequestStateError(ConflictError):
    """Somebody has decided or withdrawn the request meanwhile."""

    code: ClassVar[str] = "command_request_state"


class DecisionError(ConflictError):
    """There is no decision that a session could be begun on."""

    code: ClassVar[str] = "command_no_decision"


class OtherCourtError(ForbiddenError):
    """Another court commands here; a superior does not act for it either."""

    code: ClassVar[str] = "command_other_court"


class OwnRequestError(ConflictError):
    """Who asked does not decide, unless he commands that very court."""

    code: ClassVar[str] = "command_own_request"


class NoEmergencyError(ConflictError):
    """A session without prior decision needs an SOS that is not over or an officer who asks to be watched."""

    code: ClassVar[str] = "command_no_emergency"


class EmergencyKitError(ConflictError):
    """Nothing ties this kit to the emergency, and nobody said why it is needed; names the kits."""

    code: ClassVar[str] = "command_emergency_kit"


class RatifiedError(ConflictError):
    """The emergency was ratified before, or needs no ratification."""

    code: ClassVar[str] = "command_ratified"


class SessionEndedError(ConflictError):
    """The session is over."""

    code: ClassVar[str] = "command_session_ended"


class InSessionError(ConflictError):
    """The kit, person or court is in the session already."""

    code: ClassVar[str] = "command_in_session"


class LiveOffError(ConflictError):
    """This centre has live picture and voice switched off."""

    code: ClassVar[str] = "command_live_off"


class EntryChainError(DomainError):
    """The entries of a session do not hang together; names the first that proves it."""

    code: ClassVar[str] = "command_entries_broken"


def check_own_request(actor: Actor, requester_id: str, court_code: str) -> str:
    """Return how a grant by this person counts: ordinary or own_motion; raises OwnRequestError."""
    if not requester_id or requester_id != actor.user_id:
        return "ordinary"
    if "commander" in actor.roles and actor.court_code == court_code:
        return "own_motion"
    raise OwnRequestError("You asked for this yourself: another person of your court decides it.")


def check_commanding(own_code: str, commanding: str) -> None:
    """Raise CommandDraftError unless `commanding` is the asker's court or one above it."""
    if not sees_court(commanding, own_code):
        raise CommandDraftError(
            "Remote command is asked of your own court or of one above it; choose one of the list."
        )


def check_kits(kit_ids: Sequence[str]) -> list[str]:
    """Return the kits without doubles, in order; raises CommandDraftError for none or too many."""
    wanted = list(dict.fromkeys(kit_id.strip() for kit_id in kit_ids if kit_id.strip()))
    if not 0 < len(wanted) <= MAX_KITS:
        raise CommandDraftError(f"Name 1 to {MAX_KITS} kits; choose them from the list.", limit=MAX_KITS)
    return wanted


def check_tied(kits: Sequence[str], tied: Collection[str]) -> None:
    """Raise EmergencyKitError unless every kit is one of those that the emergency is about (docs/decisions/0045)."""
    strange = [kit_id for kit_id in kits if kit_id not in tied]
    if strange:
        names = " ".join(strange[:5])
        raise EmergencyKitError(
            f"Nothing ties {names} to this emergency: begin without, then add each in the session with a reason.",
            name=names,
        )


def check_choice(value: str, choices: Sequence[str], what: str) -> str:
    """Return `value` when it is one of `choices`; raises CommandDraftError."""
    if value not in choices:
        raise CommandDraftError(f"There is no {what} {value[:40]!r}: use one of {', '.join(choices)}.")
    return value


def check_minutes(minutes: int, longest: int) -> int:
    """Return for how many minutes a session may last; raises CommandDraftError."""
    if not 1 <= minutes <= longest:
        raise CommandDraftError(f"A session lasts 1 to {longest} minutes; choose one of the list.", limit=longest)
    return minutes


def clean(text: str, name: str, limit: int = MAX_REASON_CHARS, *, needed: bool = True) -> str:
    """Return `text` without blanks around it and odd characters; raises CommandDraftError."""
    text = "\n".join(line.rstrip() for line in text.strip().splitlines())
    odd = any(unicodedata.category(char) in ("Cc", "Cs", "Co", "Cn") for char in text.replace("\n", ""))
    if odd or len(text) > limit or (needed and not text):
        raise CommandDraftError(f"Write the {name} in {1 if needed else 0} to {limit} characters.", limit=limit)
    return text


def refuse_request(state: str) -> RequestStateError:
    """The error for an act that the request's state no longer allows."""
    return RequestStateError(f"This request is {state} already; look at it again.", state=state)


def opens_more(voice: str, decided: str) -> bool:
    """Tell whether `voice` opens the officers' microphones more than what was decided."""
    order = ("off", "ptt", "duplex")
    return order.index(voice) > order.index(decided)


def is_unanswered_for_long(state: str, *, issued_ms: int, now_ms: int) -> bool:
    """Tell whether a numbered order lacks its read-back for so long that somebody must ask."""
    return state in UNANSWERED and now_ms - issued_ms > READ_BACK_MS


def kit_url(settings: Settings) -> str:
    """Return where kits bring pictures and voice, as they are told."""
    return settings.live_kit_url or f"https://{settings.live_kit_host}:{settings.live_kit_port}"


def check_live(settings: Settings) -> str:
    """Return `kit_url`; raises LiveOffError where no relay runs."""
    if not settings.live_on or settings.role != "whole":
        raise LiveOffError("Live picture and voice are off at this centre (live_on, role); ask its administrator.")
    return kit_url(settings)


def hash_entry(
    *, session_id: str, no: int, at_ms: int, kind: str, actor: str, detail: Mapping[str, Any], prev_hash: bytes
) -> bytes:
    """Return SHA-256 over domain, the hash before and the entry as JSON with sorted keys, 32 bytes."""
    row = [session_id, no, at_ms, kind, actor, detail]
    return hashlib.sha256(_DOMAIN + prev_hash + _ENCODER.encode(row)).digest()
