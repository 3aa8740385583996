"""Recordings: list, index with gaps and marks, playback of decrypted segments, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi import Path as PathParam
from fastapi.responses import RedirectResponse

from central.base.unit_of_work import ReadSession
from central.courts import queries as courts
from central.courts.permissions import Actor, may
from central.devices import queries as devices
from central.evidence import proxies as evidence_proxies
from central.evidence import queries as evidence
from central.evidence import rules as evidence_rules
from central.evidence import service as evidence_service
from central.evidence.export import export_package
from central.evidence.queries import RecordingView
from central.flows import link
from central.incidents import queries as incidents
from central.web.context import Context, Here, Proven, SignedIn
from central.web.downloads import hand_over, make_package
from central.web.formats import in_shanghai
from central.web.grants import issue_grant, read_purpose
from central.web.i18n import load_words
from central.web.labels import look_up
from central.web.labels.field import GAP_CAUSES
from central.web.labels.footage import CATEGORIES
from central.web.recording_view import gather_gaps, place_at, place_segments
from central.web.render import language_of, render
from central.web.security import SESSION_COOKIE

router = APIRouter(prefix="/recordings")
PAGE_ROWS = 50


@router.get("")
def list_recordings(
    *,
    request: Request,
    here: Here,
    actor: SignedIn,
    kit: str = "",
    category: str = "",
    case: str = "",
    together: str = "",
    before: Annotated[int | None, Query(ge=0, lt=2**53)] = None,
) -> Response:
    """List recordings of the actor's courts, newest first."""
    with here.store.read() as session:
        rows = evidence.list_recordings(
            session,
            actor,
            kit_id=kit or None,
            category=category,
            case_no=case.strip(),
            together=together,
            before_ms=before,
            limit=PAGE_ROWS + 1,
        )
        known = {row.code: row for row in courts.list_courts(session, actor)}
        officers = _read_officers(session, here, actor)
    older = rows[PAGE_ROWS - 1].begun_ms if len(rows) > PAGE_ROWS else None
    return render(
        request,
        "recordings/list.html",
        rows=rows[:PAGE_ROWS],
        courts=known,
        officers=officers,
        kit=kit,
        category=category,
        categories=CATEGORIES,
        case=case,
        together=together,
        filters=urlencode({"kit": kit, "category": category, "case": case, "together": together}),
        older=older,
        paged=before is not None,
    )


def _read_officers(session: ReadSession, here: Context, actor: Actor) -> dict[str, str]:
    """Who carries each kit, for those who may see kits: a judge sees recordings without."""
    if not may(actor, "see_kits"):
        return {}
    return {view.kit.kit_id: view.kit.officer for view in devices.list_kits(session, actor, now_ms=here.now_ms())}


@router.get("/{recording_id}")
def show_recording(request: Request, here: Here, actor: SignedIn, recording_id: str) -> Response:
    """Show one recording, audited; nothing is decrypted before a purpose is stated."""
    with here.store.write() as uow:
        view = evidence_service.view_recording(uow, actor, recording_id)
    with here.store.read() as session:
        may_see = may(actor, "see_incidents")
        marks = incidents.list_recording_alarms(session, actor, recording_id) if may_see else []
        court = courts.get_court(session, view.recording.court_code)
        officer = _read_officers(session, here, actor).get(view.recording.kit_id, "")
        notes = evidence.list_notes(session, recording_id)
        call = view.recording.together or view.recording.opening.get("alarm")
        beside = evidence.list_recordings(session, actor, together=call) if isinstance(call, str) and call else []
        originals = _describe_originals(session, here, actor, view)
    lines = place_segments(view.segments)
    total_ms = max((line["at_ms"] + line["duration_ms"] for line in lines), default=0)
    return render(
        request,
        "recordings/recording.html",
        recording=view.recording,
        continuity=view.continuity,
        gaps=gather_gaps(view.continuity.gaps),
        lines=lines,
        marks=[{"mark": row, "at_ms": place_at(row.happened_ms, view.recording.begun_ms, total_ms)} for row in marks],
        total_ms=total_ms,
        notes=notes,
        beside=[row for row in beside if row.id != recording_id],
        court=court,
        officer=officer,
        **originals,
    )


def _describe_originals(session: ReadSession, here: Context, actor: Actor, view: RecordingView) -> dict[str, Any]:
    """What is still on the kit and what of it was asked for; nothing for those who may not see kits."""
    recording = view.recording
    missing = link.list_missing(view.segments)
    found: dict[str, Any] = {
        "missing": missing,
        "has_previews": any(entry.has_proxy for entry in view.segments),
        "last": max((entry.seq for entry in view.segments), default=0),
        "is_metered": False,
        "asked": [],
        "can_ask": False,
    }
    if not missing or not may(actor, "see_kits", recording.court_code):
        return found
    kit = devices.get_kit(session, actor, recording.kit_id, now_ms=here.now_ms())
    found["is_metered"] = bool(((kit.state.health if kit.state else None) or {}).get("metered"))
    found["asked"] = link.list_asked(session, actor, recording.kit_id, recording.id, now_ms=here.now_ms())
    found["can_ask"] = may(actor, "order_recording", recording.court_code) and kit.kit.revoked_ms is None
    return found


@router.post("/{recording_id}/originals")
def ask_originals(
    *,
    here: Here,
    actor: SignedIn,
    recording_id: str,
    first: Annotated[int, Form(ge=0, lt=2**31)] = 0,
    last: Annotated[int, Form(ge=0, lt=2**31)] = 2**31 - 1,
    reason: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    """Ask the kit for segments in full although its link is metered or thin; through the mailbox, audited."""
    with here.store.write() as uow:
        link.order_originals(uow, actor, recording_id, reason=reason, first=first, last=last)
    return RedirectResponse(f"/recordings/{recording_id}#originals", status_code=303)


@router.get("/{recording_id}/index")
def give_index(request: Request, here: Here, actor: SignedIn, recording_id: str) -> dict[str, Any]:
    """Return the player's index: segments and gaps with their place on the recording's own scale."""
    words = load_words(language_of(request))
    with here.store.read() as session:
        view = evidence.view_recording(session, actor, recording_id)
    lines = place_segments(view.segments)
    for line in lines:
        line["words"] = look_up(GAP_CAUSES, line["cause"], words).text if line["cause"] else ""
    return {"closed": view.recording.closed_ms is not None, "segments": lines}


@router.post("/{recording_id}/grants")
def state_purpose(
    request: Request,
    here: Here,
    actor: SignedIn,
    recording_id: str,
    purpose: Annotated[str, Form(max_length=4000)] = "",
) -> dict[str, str]:
    """Take the purpose for which the recording is opened; it is audited with every segment."""
    with here.store.read() as session:
        evidence.get_recording(session, actor, recording_id)
    grant = issue_grant(
        here.play_secret,
        session_token=request.cookies.get(SESSION_COOKIE, ""),
        recording_id=recording_id,
        purpose=evidence_rules.check_purpose(purpose),
        now_ms=here.now_ms(),
    )
    return {"grant": grant}


@router.post("/{recording_id}/export")
def export(
    here: Here,
    actor: Proven,
    recording_id: str,
    purpose: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    """Write the evidence package and hand it over; the temporary file goes when the download ends."""

    def write(target: Path) -> None:
        export_package(here.store, here.settings, actor, recording_id=recording_id, purpose=purpose, target=target)

    target = make_package(here.settings, write)
    with here.store.read() as session:
        recording = evidence.get_recording(session, actor, recording_id)
    name = f"zhixing-{recording.kit_id}-{in_shanghai(recording.begun_ms):%Y%m%d-%H%M%S}.zip"
    return hand_over(target, name)


@router.get("/{recording_id}/segments/{seq}/clear")
def give_clear_segment(
    *,
    request: Request,
    here: Here,
    actor: SignedIn,
    recording_id: str,
    seq: Annotated[int, PathParam(ge=0, lt=2**31)],
    grant: str = "",
) -> Response:
    """Decrypt one segment for the player; audited before the first byte leaves."""
    purpose = read_purpose(
        here.play_secret,
        grant,
        session_token=request.cookies.get(SESSION_COOKIE, ""),
        recording_id=recording_id,
        now_ms=here.now_ms(),
    )
    with here.store.write() as uow:
        clear = evidence_service.open_clear_segment(
            uow,
            actor,
            vault=here.vault,
            identity=here.identity,
            recording_id=recording_id,
            seq=seq,
            purpose=purpose,
        )
    # Read whole before the first byte leaves: what does not match the kit's signature is never shown.
    data = b"".join(clear.chunks)
    return Response(data, media_type="video/mp4", headers={"X-Segment-Mime": clear.header.mime})


@router.get("/{recording_id}/segments/{seq}/preview")
def give_clear_proxy(
    *,
    request: Request,
    here: Here,
    actor: SignedIn,
    recording_id: str,
    seq: Annotated[int, PathParam(ge=0, lt=2**31)],
    grant: str = "",
) -> Response:
    """Decrypt the small picture that stands in for a segment; audited before the first byte leaves."""
    purpose = read_purpose(
        here.play_secret,
        grant,
        session_token=request.cookies.get(SESSION_COOKIE, ""),
        recording_id=recording_id,
        now_ms=here.now_ms(),
    )
    with here.store.write() as uow:
        clear = evidence_proxies.open_clear_proxy(
            uow, actor, here.vault, here.identity, recording_id, seq, purpose=purpose
        )
    data = b"".join(clear.chunks)
    return Response(data, media_type="video/mp4", headers={"X-Segment-Mime": clear.header.mime})
