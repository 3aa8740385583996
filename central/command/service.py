"""The command room's writers, offered under one name."""

from __future__ import annotations

from central.command.entries import add_entry
from central.command.instructions import give_order, note_heard
from central.command.participants import add_kit, call_again, invite, remove_kit, set_voice, uninvite
from central.command.requests import (
    Ask,
    Terms,
    ask_command,
    check_kit,
    decide,
    grant_request,
    keep_request,
    lapse_requests,
    note_overdue,
    ratify,
    refuse_request,
    withdraw_request,
    withdraw_watch_me,
)
from central.command.sessions import begin_session, check_leads, end_session, expire_sessions, open_session

__all__ = [
    "Ask",
    "Terms",
    "add_entry",
    "add_kit",
    "ask_command",
    "begin_session",
    "call_again",
    "check_kit",
    "check_leads",
    "decide",
    "end_session",
    "expire_sessions",
    "give_order",
    "grant_request",
    "invite",
    "keep_request",
    "lapse_requests",
    "note_heard",
    "note_overdue",
    "open_session",
    "ratify",
    "refuse_request",
    "remove_kit",
    "set_voice",
    "uninvite",
    "withdraw_request",
    "withdraw_watch_me",
]
