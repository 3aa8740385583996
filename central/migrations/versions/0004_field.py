"""The kit in the field: times, tasks, proxies, health, lost kits. One function a matter, up and down."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
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


def _add_links() -> None:
    """What the broker and the kit itself said last about the session (presence)."""
    op.add_column("kit_state", sa.Column("link", sa.String(length=16), server_default="", nullable=False))
    op.add_column("kit_state", sa.Column("link_ms", sa.BigInteger(), nullable=True))


def _drop_links() -> None:
    op.drop_column("kit_state", "link_ms")
    op.drop_column("kit_state", "link")


def _add_losses() -> None:
    """Kits reported lost: locked, their keys destroyed by two people, the kit's proof."""
    op.create_table(
        "kit_loss",
        sa.Column("loss_id", sa.Integer(), nullable=False),
        sa.Column("kit_no", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("locked_by", sa.String(length=64), nullable=False),
        sa.Column("locked_ms", sa.BigInteger(), nullable=False),
        sa.Column("asked_by", sa.String(length=64), nullable=False),
        sa.Column("asked_ms", sa.BigInteger(), nullable=True),
        sa.Column("asked_reason", sa.String(length=500), nullable=False),
        sa.Column("confirmed_by", sa.String(length=64), nullable=False),
        sa.Column("confirmed_ms", sa.BigInteger(), nullable=True),
        sa.Column("order_no", sa.BigInteger(), nullable=True),
        sa.Column("proof", sa.LargeBinary(), nullable=True),
        sa.Column("proof_verdict", sa.String(length=16), nullable=False),
        sa.Column("proof_ms", sa.BigInteger(), nullable=True),
        sa.Column("closed_by", sa.String(length=64), nullable=False),
        sa.Column("closed_ms", sa.BigInteger(), nullable=True),
        sa.Column("closed_reason", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(["kit_no"], ["kit.kit_no"]),
        sa.PrimaryKeyConstraint("loss_id"),
    )
    op.create_index("ix_kit_loss_kit_no", "kit_loss", ["kit_no"])
    still_open = sa.text("closed_ms IS NULL")
    op.create_index(
        "ix_kit_loss_open", "kit_loss", ["kit_no"], unique=True, sqlite_where=still_open, postgresql_where=still_open
    )


def _drop_losses() -> None:
    op.drop_table("kit_loss")


def _add_certificate_ends() -> None:
    """When a certificate ends, so that the fleet shows which kits must renew."""
    op.add_column("kit_certificate", sa.Column("until_ms", sa.BigInteger(), nullable=True))


def _drop_certificate_ends() -> None:
    op.drop_column("kit_certificate", "until_ms")


# A time older or newer than this against its receipt was not believed before either (decision 0008).
_OLDEST_MS = 60 * 24 * 3600 * 1000
_AHEAD_MS = 120_000
_TIMED = (
    ("alarm", "happened", "pressed_ms"),
    ("incident", "happened", "pressed_ms"),
    ("recording", "begun", "started_ms"),
)


def _add_times() -> None:
    """Boots of kits, and when something happened as the centre believes it; what is there keeps the kit's word."""
    op.create_table(
        "kit_boot",
        sa.Column("kit_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("boot", sa.String(length=32), nullable=False),
        sa.Column("spool_no", sa.Integer(), nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_mono_ms", sa.BigInteger(), nullable=False),
        sa.Column("upper_ms", sa.BigInteger(), nullable=False),
        sa.Column("upper_mono_ms", sa.BigInteger(), nullable=False),
        sa.Column("low_ms", sa.BigInteger(), nullable=True),
        sa.Column("high_ms", sa.BigInteger(), nullable=True),
        sa.Column("claim_mono_ms", sa.BigInteger(), nullable=True),
        sa.Column("claimed_by", sa.String(length=12), nullable=False),
        sa.PrimaryKeyConstraint("kit_no", "boot"),
    )
    op.add_column("alarm", sa.Column("boot", sa.String(length=32), server_default="", nullable=False))
    for table, name, told in _TIMED:
        op.add_column(table, sa.Column(f"{name}_ms", sa.BigInteger(), server_default="0", nullable=False))
        op.add_column(table, sa.Column(f"{name}_error_ms", sa.BigInteger(), nullable=True))
        op.add_column(table, sa.Column(f"{name}_by", sa.String(length=12), server_default="received", nullable=False))
        believed = f"{told} BETWEEN received_ms - {_OLDEST_MS} AND received_ms + {_AHEAD_MS}"
        if table == "incident":
            believed += " AND NOT clock_doubt"
        op.execute(
            f"UPDATE {table} SET {name}_ms = CASE WHEN {believed} THEN {told} ELSE received_ms END, "  # noqa: S608
            f"{name}_by = CASE WHEN {believed} THEN 'kit_clock' ELSE 'received' END"
        )
    op.create_index("ix_recording_begun", "recording", ["court_code", "begun_ms"])


def _drop_times() -> None:
    op.drop_index("ix_recording_begun", "recording")
    for table, name, _ in reversed(_TIMED):
        for column in ("by", "error_ms", "ms"):
            op.drop_column(table, f"{name}_{column}")
    op.drop_column("alarm", "boot")
    op.drop_table("kit_boot")


def _add_habits() -> None:
    """What a recording is about (task, category, case, notes), and who records together with whom."""
    for name, size in (("category", 64), ("case_no", 64), ("together", 32)):
        op.add_column("recording", sa.Column(name, sa.String(length=size), server_default="", nullable=False))
    op.add_column("recording", sa.Column("task_no", sa.BigInteger(), nullable=True))
    op.create_index("ix_recording_together", "recording", ["together"])
    op.create_table(
        "recording_note",
        sa.Column("recording_id", sa.String(length=32), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("what", sa.String(length=16), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("category", sa.String(length=64), nullable=False),
        sa.Column("task_no", sa.BigInteger(), nullable=True),
        sa.Column("case_no", sa.String(length=64), nullable=False),
        sa.Column("said", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["recording_id"], ["recording.id"]),
        sa.PrimaryKeyConstraint("recording_id", "seq", "place"),
    )
    op.create_index("ix_recording_note_category", "recording_note", ["category"])
    op.create_index("ix_recording_note_case_no", "recording_note", ["case_no"])
    op.add_column("alarm", sa.Column("category", sa.String(length=64), server_default="", nullable=False))
    op.add_column("alarm", sa.Column("task_no", sa.BigInteger(), nullable=True))
    op.create_table(
        "recording_call",
        sa.Column("call_id", sa.String(length=32), nullable=False),
        sa.Column("kit_no", sa.Integer(), nullable=False),
        sa.Column("kit_id", sa.String(length=32), nullable=False),
        sa.Column("origin_kit_no", sa.Integer(), nullable=False),
        sa.Column("distance_m", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("ordered_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["kit_no"], ["kit.kit_no"]),
        sa.ForeignKeyConstraint(["origin_kit_no"], ["kit.kit_no"]),
        sa.PrimaryKeyConstraint("call_id", "kit_no"),
    )
    op.create_index("ix_recording_call_origin_kit_no", "recording_call", ["origin_kit_no"])


def _drop_habits() -> None:
    op.drop_table("recording_call")
    for name in ("task_no", "category"):
        op.drop_column("alarm", name)
    op.drop_table("recording_note")
    op.drop_index("ix_recording_together", "recording")
    for name in ("task_no", "together", "case_no", "category"):
        op.drop_column("recording", name)


def _add_steps() -> None:
    """Every receipt of a directive with its times: how a task went, step by step."""
    op.create_table(
        "mailbox_step",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kit_no", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("kit_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("boot", sa.String(length=32), nullable=False),
        sa.Column("mono_ms", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_mailbox_step_entry", "mailbox_step", ["kit_no", "number"])
    op.create_index("ix_mailbox_entry_kind", "mailbox_entry", ["kind", "issued_ms"])


def _drop_steps() -> None:
    op.drop_index("ix_mailbox_entry_kind", "mailbox_entry")
    op.drop_table("mailbox_step")


def _add_proxies() -> None:
    """Small pictures of segments that have not arrived."""
    op.create_table(
        "stored_proxy",
        sa.Column("recording_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("cipher_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("clear_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("stored_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("recording_id", "seq"),
    )


def _drop_proxies() -> None:
    op.drop_table("stored_proxy")


def _add_token_signers() -> None:
    """Which signing certificates are of a key in a token."""
    op.add_column(
        "signer_certificate", sa.Column("in_token", sa.Boolean(), server_default=sa.false(), nullable=False)
    )


def _drop_token_signers() -> None:
    op.drop_column("signer_certificate", "in_token")


def _add_health() -> None:
    """The worst of each hour's health reports."""
    op.create_table(
        "kit_health_hour",
        sa.Column("kit_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("hour_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("battery_min_pct", sa.Float(), nullable=True),
        sa.Column("temp_max_c", sa.Float(), nullable=True),
        sa.Column("messages_max", sa.BigInteger(), nullable=False),
        sa.Column("segments_max", sa.BigInteger(), nullable=False),
        sa.Column("free_min_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kit_no", "hour_ms"),
    )


def _drop_health() -> None:
    op.drop_table("kit_health_hour")


def _add_logs() -> None:
    """Logs of kits that somebody asked for."""
    op.create_table(
        "kit_log",
        sa.Column("kit_no", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("asked_by", sa.String(length=64), nullable=False),
        sa.Column("asked_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("hours", sa.Integer(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("stored_ms", sa.BigInteger(), nullable=True),
        sa.Column("removed_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["kit_no"], ["kit.kit_no"]),
        sa.PrimaryKeyConstraint("kit_no", "number"),
    )


def _drop_logs() -> None:
    op.drop_table("kit_log")


_MATTERS: tuple[tuple[Callable[[], None], Callable[[], None]], ...] = (
    (_add_links, _drop_links),
    (_add_losses, _drop_losses),
    (_add_certificate_ends, _drop_certificate_ends),
    (_add_times, _drop_times),
    (_add_habits, _drop_habits),
    (_add_steps, _drop_steps),
    (_add_proxies, _drop_proxies),
    (_add_health, _drop_health),
    (_add_logs, _drop_logs),
    (_add_token_signers, _drop_token_signers),
)
