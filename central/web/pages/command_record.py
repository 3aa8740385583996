"""A session's record: what it holds, parts of it opened for a stated purpose, the package for a court."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from central.base.unit_of_work import ReadSession
from central.command import record_queries as queries
from central.command import record_rules as rules
from central.command import record_service as service
from central.command.record_export import export_record
from central.command.record_playback import Part, open_clip
from central.command.record_queries import RecordView
from central.command.record_rules import Track
from central.courts import queries as courts
from central.courts.permissions import Actor
from central.evidence import queries as evidence
from central.web.context import Here, Proven, SignedIn
from central.web.downloads import hand_over, make_package
from central.web.formats import in_shanghai
from central.web.grants import issue_grant, read_purpose
from central.web.render import render
from central.web.security import SESSION_COOKIE

router = APIRouter(prefix="/command")
# A person's clock and the centre's may differ by so much; recordings that begin or end near a session count as of it.
_NEAR_MS = 60_000
_MAX_ORIGINALS = 50
# What came after the last picture still shows the end of it.
_LAST_MS = 3000


@dataclass(frozen=True)
class Original:
    """A kit's own recording of the same time."""

    recording_id: str
    kit_id: str
    begun_ms: int
    duration_ms: int


@router.get("/{session_id}/record")
def show_record(
    *,
    request: Request,
    here: Here,
    actor: SignedIn,
    session_id: str,
    grant: Annotated[str, Query(max_length=4000)] = "",
    source: Annotated[str, Query(max_length=64)] = "",
    stream: Annotated[int, Query(ge=0, le=1)] = 0,
    at: Annotated[int | None, Query(ge=0, lt=2**53)] = None,
) -> Response:
    """Show a session's record, audited; with a stated purpose (`grant`) also the part that holds the moment `at`."""
    with here.store.write() as uow:
        view = service.view_record(uow, actor, session_id)
    with here.store.read() as session:
        originals = _find_originals(session, actor, view)
        court = courts.get_court(session, view.record.court_code)
    if grant:
        _read_purpose(request, here, session_id, grant)
    track = _choose(view.tracks, source, stream)
    starts = _list_starts(view)
    begin = max((start for start in starts if at is not None and start <= at), default=starts[0])
    last_ms = max((link.started_ms + link.duration_ms for link in view.links if link.length), default=begin)
    clip = {
        "source": track.source if track else "",
        "stream": track.stream if track else 0,
        "from": max(begin, min(at or begin, last_ms - _LAST_MS)),
        "grant": grant,
    }
    return render(
        request,
        "command/record.html",
        view=view,
        record=view.record,
        court=court,
        grant=grant,
        track=track,
        starts=starts,
        begin=begin,
        clip=f"/command/{session_id}/record/clip?{urlencode(clip)}",
        originals=originals,
        names={row.detail.get("source"): row.actor for row in view.entries if row.kind == "published"},
        has_voice=any(name.endswith("/voice") for link in view.links for name in link.tracks),
    )


@router.post("/{session_id}/record/open")
def state_purpose(
    *,
    request: Request,
    here: Here,
    actor: SignedIn,
    session_id: str,
    purpose: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    """Take the purpose for which the record is opened; it is audited with every part."""
    with here.store.read() as session:
        queries.get_record(session, actor, session_id)
    grant = issue_grant(
        here.play_secret,
        session_token=request.cookies.get(SESSION_COOKIE, ""),
        recording_id=_name(session_id),
        purpose=rules.check_purpose(purpose),
        now_ms=here.now_ms(),
    )
    return RedirectResponse(f"/command/{session_id}/record?{urlencode({'grant': grant})}", status_code=303)


@router.get("/{session_id}/record/clip")
def give_clip(
    *,
    request: Request,
    here: Here,
    actor: SignedIn,
    session_id: str,
    grant: Annotated[str, Query(max_length=4000)] = "",
    source: Annotated[str, Query(max_length=64)] = "",
    stream: Annotated[int, Query(ge=0, le=1)] = 0,
    begin: Annotated[int, Query(alias="from", ge=0, lt=2**53)] = 0,
) -> Response:
    """Decrypt a part for the player; audited before the first byte leaves."""
    purpose = _read_purpose(request, here, session_id, grant)
    blocks = open_clip(
        here.store,
        here.settings,
        lambda: here.identity,
        actor,
        session_id=session_id,
        part=Part(source, stream, begin),
        purpose=purpose,
    )
    return StreamingResponse(blocks, media_type="video/mp4")


@router.post("/{session_id}/record/export")
def export(
    here: Here,
    actor: Proven,
    session_id: str,
    purpose: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    """Write the package and hand it over; the temporary file goes when the download ends."""

    def write(target: Path) -> None:
        export_record(here.store, here.settings, actor, session_id=session_id, purpose=purpose, target=target)

    target = make_package(here.settings, write)
    with here.store.read() as session:
        record = queries.get_record(session, actor, session_id)
    name = f"zhixing-session-{in_shanghai(record.begun_ms):%Y%m%d-%H%M%S}.zip"
    return hand_over(target, name)


def _name(session_id: str) -> str:
    """A grant for a session is none for a recording."""
    return f"session/{session_id}"


def _read_purpose(request: Request, here: Here, session_id: str, grant: str) -> str:
    return read_purpose(
        here.play_secret,
        grant,
        session_token=request.cookies.get(SESSION_COOKIE, ""),
        recording_id=_name(session_id),
        now_ms=here.now_ms(),
    )


def _choose(tracks: Sequence[Track], source: str, stream: int) -> Track | None:
    """The picture asked for, else the first there is."""
    wanted = [track for track in tracks if (track.source, track.stream) == (source, stream)]
    return next(iter(wanted or tracks), None)


def _list_starts(view: RecordView) -> list[int]:
    """Where the parts begin that the record is looked through in; at least one."""
    begun_ms = min([link.started_ms for link in view.links if link.length], default=view.record.begun_ms)
    return list(range(begun_ms, max(view.record.last_ms, begun_ms + 1), rules.CLIP_MS))


def _find_originals(session: ReadSession, actor: Actor, view: RecordView) -> list[Original]:
    """The kits' own recordings of the session's time, as far as the actor may see them."""
    since_ms = view.record.begun_ms - _NEAR_MS
    until_ms = view.record.last_ms + _NEAR_MS
    found = []
    for kit_id in dict.fromkeys(kit.kit_id for kit in view.kits):
        rows = evidence.list_recordings(session, actor, kit_id=kit_id, before_ms=until_ms, limit=_MAX_ORIGINALS)
        found += [
            Original(row.id, row.kit_id, row.begun_ms, row.duration_ms)
            for row in rows
            if row.begun_ms + row.duration_ms >= since_ms
        ]
    return sorted(found, key=lambda original: original.begun_ms)
