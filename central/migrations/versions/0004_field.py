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


_MATTERS: tuple[tuple[Callable[[], None], Callable[[], None]], ...] = (
    (_add_links, _drop_links),
    (_add_losses, _drop_losses),
)
