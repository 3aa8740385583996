"""What somebody who holds the database can do to the chain, guards and all."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import text

from central.audit import rules
from central.audit import service as audit
from central.audit.models import AuditEntry
from central.base.unit_of_work import Store

_FIELDS = tuple(AuditEntry.model_fields)


def append(store: Store, count: int = 1, **overrides: Any) -> None:
    """Record `count` acts, each in a transaction of its own."""
    for number in range(count):
        with store.write() as uow:
            values: dict[str, Any] = {
                "actor": "user:zhiban",
                "court_code": "云2901",
                "action": "evidence:recording:play",
                "subject": f"recording {number}",
                "purpose": "核对",
                "case_no": "（2026）云2901执7号",
                "detail": {"分钟": number, "ok": True},
            }
            audit.append(uow, **{**values, **overrides})


def tamper(store: Store, *statements: str, **values: Any) -> None:
    """Run statements with the guards of the audit tables taken away."""
    with store.engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            for table in ("audit_entry", "audit_head"):
                for verb in ("update", "delete"):
                    connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {table}_no_{verb}")
        else:
            for table in ("audit_entry", "audit_head"):
                connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        for statement in statements:
            connection.execute(text(statement), values)


def rows_of(store: Store) -> list[dict[str, Any]]:
    """Every row of the chain, oldest first."""
    with store.engine.connect() as connection:
        found = connection.execute(text(f"SELECT {', '.join(_FIELDS)} FROM audit_entry ORDER BY seq"))
        rows = [dict(row) for row in found.mappings()]
    for row in rows:
        if isinstance(row["detail"], str):
            row["detail"] = json.loads(row["detail"])
    return rows


def rewrite(store: Store, seq: int, *, like: int | None = None, **changes: Any) -> None:
    """Replace row `seq` (or put it in, a copy of row `like`) with `changes` and the hash that then is right."""
    by_seq = {row["seq"]: row for row in rows_of(store)}
    row = {**by_seq[like or seq], "seq": seq, **changes}
    before = by_seq.get(seq - 1)
    row["prev_hash"] = before["hash"] if before else rules.GENESIS_HASH
    row["hash"] = rules.hash_entry(**{name: value for name, value in row.items() if name != "hash"})
    names = ", ".join(_FIELDS)
    marks = ", ".join(f":{name}" for name in _FIELDS)
    tamper(
        store,
        f"DELETE FROM audit_entry WHERE seq = {seq}",
        f"INSERT INTO audit_entry ({names}) VALUES ({marks})".replace(":detail", "CAST(:detail AS json)")
        if store.engine.dialect.name != "sqlite"
        else f"INSERT INTO audit_entry ({names}) VALUES ({marks})",
        **{**row, "detail": json.dumps(row["detail"])},
    )


def rewrite_from(store: Store, seq: int, **changes: Any) -> None:
    """Change row `seq` and forge every hash after it, so that the chain by itself holds."""
    last = len(rows_of(store))
    rewrite(store, seq, **changes)
    for later in range(seq + 1, last + 1):
        rewrite(store, later)
