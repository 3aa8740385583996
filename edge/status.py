"""``zhixing-kit status``: what the kit's processes last said, for a person."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from edge.settings import Settings
from edge.spool import Spool


def list_facts(settings: Settings, spool: Spool) -> dict[str, Any]:
    """Name and value of each line to print."""
    state = spool.state
    return {
        "kit": settings.kit.id,
        "court": settings.kit.court or "not set",
        "link": _read_link(state.get("link_status")),
        "position": state.get("gps_status", "not read yet"),
        "on duty": "yes" if state.get("duty") else "no",
        "recorder": (state.get("recorder_status") or {}).get("state", "not started yet"),
        "storage": (state.get("storage_level") or {}).get("text", "not looked at yet"),
        "card": (state.get("card") or {}).get("text") or "no trouble",
        "waiting messages": spool.outbox.count(),
        "waiting segments": f"{spool.vault.count_pending()} ({spool.vault.total_bytes()} bytes kept)",
        "upload": (state.get("upload_status") or {}).get("trouble") or "no trouble",
        "certificate": _read_certificate(state.get("certificate")),
        "remote command": _read_live(state.get("live_sessions"), state.get("live_status")),
        "reported lost": _read_lost(state.get("lost")),
        "restarts": _read_restarts(state.get("children")),
    }


def _read_link(status: Any) -> str:
    if not isinstance(status, dict):
        return "not started yet"
    return "connected" if status.get("connected") else f"not connected: {status.get('reason')}"


def _read_live(sessions: Any, status: Any) -> str:
    if not isinstance(sessions, list) or not sessions:
        return "no session"
    told = status if isinstance(status, dict) else {}
    watchers = ", ".join(str(one.get("name")) for one in told.get("watchers", []) if isinstance(one, dict))
    how = f"watched by {watchers or 'nobody'}" if told.get("connected") else f"not connected: {told.get('reason')}"
    return f"{len(sessions)} session(s), {how}"


def _read_certificate(told: Any) -> str:
    if not isinstance(told, dict) or not isinstance(told.get("until_ms"), int):
        return "not read yet"
    until = f"until {datetime.fromtimestamp(told['until_ms'] / 1000, UTC):%Y-%m-%d}"
    return f"{until}: {told['trouble']}" if told.get("trouble") else until


def _read_lost(told: Any) -> str:
    if not isinstance(told, dict):
        return "no"
    said = {"destroying": "its keys are being destroyed", "destroyed": "its keys are destroyed"}
    return f"yes, {said.get(str(told.get('step')), 'locked')}: {told.get('reason') or 'no reason given'}"


def _read_restarts(children: Any) -> str:
    told = children if isinstance(children, dict) else {}
    return ", ".join(f"{name} {facts['restarts']} ({facts['last']})" for name, facts in told.items()) or "none"
