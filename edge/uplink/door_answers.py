"""What the devices' door said: its answer's headers and problem (RFC 9457), read with care. Pure."""

import contextlib

import msgspec

from contract import door_auth
from edge.uplink.http_answers import RawAnswer

MAX_RETRY_AFTER_S = 3600


class Answer(msgspec.Struct, frozen=True):
    """What the door said. `problem` is the RFC 9457 type, `detail` its remedy, `retry_after_s` 0 for unsaid.

    `offset`: how much of a segment has come, where the door was asked.
    """

    status: int
    body: bytes
    media_type: str = ""
    problem: str = ""
    detail: str = ""
    retry_after_s: float = 0.0
    offset: int = 0

    def describe(self) -> str:
        """One line for log and health report."""
        return f"{self.status} {self.detail or self.problem or 'without a reason'}"


class _Problem(msgspec.Struct):
    type: str = ""
    detail: str = ""


def read_answer(raw: RawAnswer) -> Answer:
    """What an answer of the door means; what it says of itself amiss counts as unsaid."""
    media_type = raw.headers.get("content-type", "").partition(";")[0].strip().lower()
    problem = _Problem()
    if media_type == "application/problem+json":
        with contextlib.suppress(msgspec.MsgspecError):
            problem = msgspec.json.decode(raw.body, type=_Problem)
    offset = raw.headers.get(door_auth.OFFSET_HEADER.lower(), "")
    return Answer(
        status=raw.status,
        body=raw.body,
        media_type=media_type,
        problem=problem.type,
        detail=problem.detail[:300],
        retry_after_s=_read_retry_after(raw.headers.get("retry-after", "")),
        offset=int(offset) if offset.isascii() and offset.isdecimal() and len(offset) < 16 else 0,
    )


def _read_retry_after(text: str) -> float:
    return float(min(int(text), MAX_RETRY_AFTER_S)) if text.isdecimal() and len(text) < 9 else 0.0
