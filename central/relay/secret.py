"""The secret by which the centre's own camera process shows at the relay that it is that."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final

from central.base.settings import Settings

SECRET_FILE: Final = "relay.secret"  # noqa: S105 -- a name
FEED_PATH: Final = "/live/feed/"
"""Followed by the camera's id; on the kits' listener, `Authorization: Bearer` and the secret."""


def read_secret(settings: Settings) -> str:
    """The secret, made once by whoever asks first (file mode 0600 in data_dir)."""
    path = Path(settings.data_dir) / SECRET_FILE
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32))
        try:
            os.link(draft, path)  # whole or not there, and the first of several processes wins
        finally:
            draft.unlink()
    return path.read_text().strip()
