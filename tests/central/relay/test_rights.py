"""What the relay judges by, read from a real database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event

from central.relay.rights import Rights
from tests.central.relay.stand import KIT, Stand


def test_sessions_and_log_ins_are_of_one_moment(stand: Stand) -> None:
    session_id, token = stand.begin(KIT), stand.tokens["zhihui"]
    rights = Rights(stand.settings, stand.store)
    transactions: list[Any] = []

    def note(connection: Any) -> None:
        transactions.append(connection)

    event.listen(stand.store.engine, "begin", note)
    try:
        standing = rights._read(frozenset([token, "of nobody"]))
    finally:
        event.remove(stand.store.engine, "begin", note)
    assert KIT in standing.sessions[session_id].kits
    assert [(key, login.actor.login) for key, login in standing.logins.items()] == [(token, "zhihui")]
    assert len(transactions) == 1
