"""Live picture and voice: decisions, sessions and their record. One function a matter, up and down."""

from __future__ import annotations

from collections.abc import Callable

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


_MATTERS: tuple[tuple[Callable[[], None], Callable[[], None]], ...] = ()
