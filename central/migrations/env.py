"""Alembic's environment: every room's tables, one transaction per upgrade."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Literal

from alembic import context
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import AutoString

from central.base import db

ROOMS = (
    "base.outbox",
    "audit.models",
    "courts.models",
    "people.models",
    "devices.models",
    "cases.change_models",
    "cases.models",
    "imports.models",
    "incidents.models",
    "evidence.models",
    "command.models",
    "command.foreign_models",
    "command.record_models",
)

for room in ROOMS:
    import_module(f"central.{room}")


def render_plain_types(kind: str, value: Any, _context: Any) -> str | Literal[False]:
    """Write SQLModel's text type into new revisions as SQLAlchemy's own, so that revisions stand alone."""
    if kind == "type" and isinstance(value, AutoString):
        return f"sa.String(length={value.length})" if value.length else "sa.String()"
    return False


engine = db.create_engine(context.config.attributes["database_url"])
try:
    with db.writer_engine(engine).connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=SQLModel.metadata,
            compare_type=True,
            render_item=render_plain_types,
        )
        with context.begin_transaction():
            context.run_migrations()
finally:
    engine.dispose()
