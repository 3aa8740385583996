"""Live picture and voice: decisions, sessions and their record. One function a matter, up and down."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    for add, _ in _MATTERS:
        add()


def downgrade() -> None:
    """Take the change back."""
    for _, drop in reversed(_MATTERS):
        drop()


def _add_command() -> None:
    """Remote command: requests, decisions, sessions on granted decisions only, their record and numbered orders."""
    text, moment = sa.String, sa.BigInteger
    _add_decisions()
    op.create_table(
        "session_kit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("session_id", text(32), nullable=False),
        sa.Column("kit_no", sa.Integer(), nullable=False),
        sa.Column("kit_id", text(32), nullable=False),
        sa.Column("court_code", text(20), nullable=False),
        sa.Column("officer", text(200), nullable=False),
        sa.Column("joined_ms", moment(), nullable=False),
        sa.Column("left_ms", moment(), nullable=True),
        sa.Column("order_no", moment(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["command_session.id"]),
        sa.ForeignKeyConstraint(["kit_no"], ["kit.kit_no"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_session_kit_kit_no", "session_kit", ["kit_no"])
    still_in = sa.text("left_ms IS NULL")
    op.create_index(
        "ix_session_kit_in",
        "session_kit",
        ["session_id", "kit_no"],
        unique=True,
        sqlite_where=still_in,
        postgresql_where=still_in,
    )
    op.create_table(
        "session_guest",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("session_id", text(32), nullable=False),
        sa.Column("kind", text(8), nullable=False),
        sa.Column("ref", text(64), nullable=False),
        sa.Column("name", text(100), nullable=False),
        sa.Column("court_code", text(20), nullable=False),
        sa.Column("by", text(100), nullable=False),
        sa.Column("joined_ms", moment(), nullable=False),
        sa.Column("left_ms", moment(), nullable=True),
        sa.ForeignKeyConstraint(["session_id"], ["command_session.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_session_guest_session_id", "session_guest", ["session_id"])
    op.create_table(
        "session_entry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("session_id", text(32), nullable=False),
        sa.Column("no", sa.Integer(), nullable=False),
        sa.Column("at_ms", moment(), nullable=False),
        sa.Column("kind", text(16), nullable=False),
        sa.Column("actor", text(100), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("prev_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["command_session.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("session_id", "no"),
    )
    op.create_table(
        "session_order",
        sa.Column("session_id", text(32), nullable=False),
        sa.Column("no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("text", text(500), nullable=False),
        sa.Column("by", text(100), nullable=False),
        sa.Column("issued_ms", moment(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["command_session.id"]),
        sa.PrimaryKeyConstraint("session_id", "no"),
    )
    op.create_table(
        "session_order_kit",
        sa.Column("session_id", text(32), nullable=False),
        sa.Column("no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kit_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kit_id", text(32), nullable=False),
        sa.Column("number", moment(), nullable=False),
        sa.Column("heard_by", text(100), nullable=False),
        sa.Column("heard_ms", moment(), nullable=True),
        sa.Column("heard_note", text(500), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["command_session.id"]),
        sa.ForeignKeyConstraint(["kit_no"], ["kit.kit_no"]),
        sa.PrimaryKeyConstraint("session_id", "no", "kit_no"),
    )
    op.create_index("ix_session_order_kit_directive", "session_order_kit", ["kit_no", "number"])


def _widen_alarms() -> None:
    """An officer's request to be watched, and its withdrawal, are alarms with longer names."""
    with op.batch_alter_table("alarm") as table:
        table.alter_column("kind", existing_type=sa.String(16), type_=sa.String(24), existing_nullable=False)


def _narrow_alarms() -> None:
    op.execute("DELETE FROM alarm WHERE kind IN ('watch_me', 'watch_me_withdrawn')")
    with op.batch_alter_table("alarm") as table:
        table.alter_column("kind", existing_type=sa.String(24), type_=sa.String(16), existing_nullable=False)


def _add_decisions() -> None:
    """What a session stands on, and the session itself."""
    text, moment = sa.String, sa.BigInteger
    op.create_table(
        "command_request",
        sa.Column("id", text(32), nullable=False),
        sa.Column("commanding_court", text(20), nullable=False),
        sa.Column("requesting_court", text(20), nullable=False),
        sa.Column("ground", text(16), nullable=False),
        sa.Column("ground_ref", text(80), nullable=False),
        sa.Column("reason", text(500), nullable=False),
        sa.Column("kits", sa.JSON(), nullable=False),
        sa.Column("requested_by", text(100), nullable=False),
        sa.Column("requester_id", text(64), nullable=False),
        sa.Column("requested_ms", moment(), nullable=False),
        sa.Column("state", text(12), nullable=False),
        sa.Column("state_ms", moment(), nullable=False),
        sa.Column("state_by", text(100), nullable=False),
        sa.ForeignKeyConstraint(["commanding_court"], ["court.code"]),
        sa.ForeignKeyConstraint(["requesting_court"], ["court.code"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_command_request_state", "command_request", ["state", "requested_ms"])
    for name in ("commanding_court", "requesting_court", "ground_ref"):
        op.create_index(f"ix_command_request_{name}", "command_request", [name])
    op.create_table(
        "command_decision",
        sa.Column("id", text(32), nullable=False),
        sa.Column("request_id", text(32), nullable=False),
        sa.Column("kind", text(12), nullable=False),
        sa.Column("verdict", text(8), nullable=False),
        sa.Column("court_code", text(20), nullable=False),
        sa.Column("decided_by", text(100), nullable=False),
        sa.Column("decider_id", text(64), nullable=False),
        sa.Column("decided_ms", moment(), nullable=False),
        sa.Column("reason", text(500), nullable=False),
        sa.Column("start_until_ms", moment(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("voice", text(8), nullable=False),
        sa.Column("ratify_due_ms", moment(), nullable=True),
        sa.Column("ratified", text(12), nullable=False),
        sa.Column("ratified_by", text(100), nullable=False),
        sa.Column("ratified_ms", moment(), nullable=True),
        sa.Column("ratified_reason", text(500), nullable=False),
        sa.Column("overdue_ms", moment(), nullable=True),
        sa.ForeignKeyConstraint(["request_id"], ["command_request.id"]),
        sa.ForeignKeyConstraint(["court_code"], ["court.code"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("request_id"),
        sa.UniqueConstraint("id", "verdict"),
    )
    op.create_index("ix_command_decision_court_code", "command_decision", ["court_code"])
    op.create_table(
        "command_session",
        sa.Column("id", text(32), nullable=False),
        sa.Column("decision_id", text(32), nullable=False),
        sa.Column("verdict", text(8), nullable=False),
        sa.Column("court_code", text(20), nullable=False),
        sa.Column("requesting_court", text(20), nullable=False),
        sa.Column("purpose", text(500), nullable=False),
        sa.Column("voice", text(8), nullable=False),
        sa.Column("begun_ms", moment(), nullable=False),
        sa.Column("begun_by", text(100), nullable=False),
        sa.Column("until_ms", moment(), nullable=False),
        sa.Column("ended_ms", moment(), nullable=True),
        sa.Column("ended_by", text(100), nullable=False),
        sa.Column("end_reason", text(500), nullable=False),
        # The two together are the decision's key: no session without decision, and none on a refusal.
        sa.ForeignKeyConstraint(["decision_id", "verdict"], ["command_decision.id", "command_decision.verdict"]),
        sa.CheckConstraint("verdict = 'granted'", name="granted"),
        sa.ForeignKeyConstraint(["court_code"], ["court.code"]),
        sa.ForeignKeyConstraint(["requesting_court"], ["court.code"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("decision_id"),
    )
    op.create_index("ix_command_session_ended", "command_session", ["ended_ms", "begun_ms"])
    for name in ("court_code", "requesting_court"):
        op.create_index(f"ix_command_session_{name}", "command_session", [name])


def _drop_command() -> None:
    for name in (
        "session_order_kit",
        "session_order",
        "session_entry",
        "session_guest",
        "session_kit",
        "command_session",
        "command_decision",
        "command_request",
    ):
        op.drop_table(name)


def _add_session_records() -> None:
    """The sessions' records at the centre: sealed, signed, chained."""
    op.create_table(
        "session_record",
        sa.Column("session_id", sa.String(length=32), nullable=False),
        sa.Column("court_code", sa.String(length=20), nullable=False),
        sa.Column("begun_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("next_seq", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.LargeBinary(length=32), nullable=False),
        sa.Column("stopped_ms", sa.BigInteger(), nullable=True),
        sa.Column("closed_ms", sa.BigInteger(), nullable=True),
        sa.Column("segment_count", sa.Integer(), nullable=False),
        sa.Column("gap_count", sa.Integer(), nullable=False),
        sa.Column("frame_count", sa.BigInteger(), nullable=False),
        sa.Column("lost_frames", sa.BigInteger(), nullable=False),
        sa.Column("stored_bytes", sa.BigInteger(), nullable=False),
        sa.Column("entry_no", sa.Integer(), nullable=False),
        sa.Column("trouble", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["command_session.id"]),
        sa.PrimaryKeyConstraint("session_id"),
    )
    op.create_index("ix_session_record_court_code", "session_record", ["court_code"])
    op.create_table(
        "session_record_link",
        sa.Column("session_id", sa.String(length=32), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("sig", sa.LargeBinary(), nullable=False),
        sa.Column("cipher_hash", sa.LargeBinary(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.String(length=200), nullable=False),
        sa.Column("tracks", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["session_record.session_id"]),
        sa.PrimaryKeyConstraint("session_id", "seq"),
    )


def _drop_session_records() -> None:
    op.drop_table("session_record_link")
    op.drop_table("session_record")


def _add_foreign_systems() -> None:
    """Cameras of others, and outlets by which others take a picture."""
    text, moment = sa.String, sa.BigInteger
    op.create_table(
        "camera",
        sa.Column("id", text(32), nullable=False),
        sa.Column("court_code", text(20), nullable=False),
        sa.Column("name", text(60), nullable=False),
        sa.Column("place", text(200), nullable=False),
        sa.Column("address_cipher", sa.LargeBinary(), nullable=False),
        sa.Column("shown", text(300), nullable=False),
        sa.Column("added_by", text(100), nullable=False),
        sa.Column("added_ms", moment(), nullable=False),
        sa.Column("retired_ms", moment(), nullable=True),
        sa.Column("asked_ms", moment(), nullable=True),
        sa.Column("state", text(16), nullable=False),
        sa.Column("state_ms", moment(), nullable=True),
        sa.Column("picture", text(80), nullable=False),
        sa.ForeignKeyConstraint(["court_code"], ["court.code"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_camera_court_code", "camera", ["court_code"])
    op.create_table(
        "session_outlet",
        sa.Column("id", text(32), nullable=False),
        sa.Column("session_id", text(32), nullable=False),
        sa.Column("source", text(64), nullable=False),
        sa.Column("stream", sa.Integer(), nullable=False),
        sa.Column("system", text(60), nullable=False),
        sa.Column("purpose", text(200), nullable=False),
        sa.Column("secret_cipher", sa.LargeBinary(), nullable=False),
        sa.Column("granted_by", text(100), nullable=False),
        sa.Column("granted_ms", moment(), nullable=False),
        sa.Column("until_ms", moment(), nullable=False),
        sa.Column("ended_ms", moment(), nullable=True),
        sa.Column("ended_by", text(100), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["command_session.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_session_outlet_session_id", "session_outlet", ["session_id"])


def _drop_foreign_systems() -> None:
    op.drop_table("session_outlet")
    op.drop_table("camera")


_MATTERS: tuple[tuple[Callable[[], None], Callable[[], None]], ...] = (
    (_add_command, _drop_command),
    (_widen_alarms, _narrow_alarms),
    (_add_session_records, _drop_session_records),
    (_add_foreign_systems, _drop_foreign_systems),
)
