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


_MATTERS: tuple[tuple[Callable[[], None], Callable[[], None]], ...] = ((_add_links, _drop_links),)
