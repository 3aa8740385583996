"""Who goes before the picture: an SOS, then voice; and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from edge.live.context import LinkFacts
from edge.settings import Settings
from edge.spool import Spool

# Voice that leaves so late is hard to talk with: the picture makes room, and comes back when it flows again.
VOICE_LATE_S: Final = 0.3
VOICE_FINE_S: Final = 0.05
Note = Literal["", "thin", "metered", "sos_first", "voice_first", "no_camera", "no_key_frame"]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else the link is for now."""

    sos_first: bool = False
    voice_first: bool = False
    is_metered: bool = False

    @property
    def pauses_picture(self) -> bool:
        """Whether no picture goes at all for now."""
        return self.sos_first or self.voice_first


def read_circumstances(spool: Spool, settings: Settings, facts: LinkFacts, before: Circumstances) -> Circumstances:
    """As the spool and the voice's task say at this moment."""
    late_s = facts.voice_late_s
    return Circumstances(
        sos_first=spool.outbox.has_sos_to_hand_over(),
        voice_first=late_s > (VOICE_FINE_S if before.voice_first else VOICE_LATE_S),
        is_metered=_is_metered(settings.link.metered, spool.state.get("metered")),
    )


def find_note(now: Circumstances, *, is_thin: bool, no_camera: bool) -> Note:
    """The one reason worth telling of why the picture is not as it could be."""
    if now.sos_first:
        return "sos_first"
    if is_thin:
        return "thin"
    if now.voice_first:
        return "voice_first"
    if no_camera:
        return "no_camera"
    return "metered" if now.is_metered else ""


def _is_metered(setting: str, state: Any) -> bool:
    # The uploader judges by setting, officer and centre; until it has, the setting alone counts.
    if isinstance(state, dict):
        return bool(state.get("on"))
    return setting == "yes"
