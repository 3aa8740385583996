"""What a source's newer word changes in a case that is already here (stub)."""
from __future__ import annotations


def update_case(*args: object, **kw: object) -> None:
    """Stub."""
    raise NotImplementedError
