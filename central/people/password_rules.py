"""Which passwords are good enough. Pure.

NIST SP 800-63B, 3.1.1: length and no common words, instead of kinds of characters and regular change.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from central.people.rules import WeakPasswordError

MIN_PASSWORD_CHARS: Final = 10
MAX_PASSWORD_BYTES: Final = 1024
_COMMON_ROOTS: Final = frozenset(
    {
        "password", "passwort", "passw", "admin", "administrator", "root", "qwerty", "qwertyuiop", "asdfghjkl",
        "letmein", "welcome", "iloveyou", "woaini", "zhixing", "fayuan", "court", "changeme", "secret", "test", "abc",
        "mima", "woaizhongguo", "zhongguo", "dali", "yunnan",
    }
)  # fmt: skip


def check_password(password: str, login: str = "") -> str:
    """Return a new password; raises WeakPasswordError when it is too short, too long or easily guessed."""
    if len(password) < MIN_PASSWORD_CHARS or len(password.encode()) > MAX_PASSWORD_BYTES:
        raise WeakPasswordError(
            f"A password needs at least {MIN_PASSWORD_CHARS} characters and at most {MAX_PASSWORD_BYTES} bytes; "
            "choose another."
        )
    if login and login in password.lower():
        raise WeakPasswordError("A password must not contain the login; choose another.")
    if _is_common(password.lower()):
        raise WeakPasswordError("This password is among the first that are guessed; choose several unrelated words.")
    return password


def _is_common(password: str) -> bool:
    """Few different characters, one run along the keyboard or alphabet, or a common word with digits around it."""
    steps = [ord(after) - ord(before) for before, after in pairwise(password)]
    runs = sum(step in (0, 1, -1) for step in steps)
    core = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", password)
    letters = re.sub(r"[\W\d_]+", "", core.translate(str.maketrans("@013457$", "aoleasts")))
    plain = re.sub(r"[\W\d_]+", "", password)
    return len(set(password)) < 5 or runs >= len(steps) - 1 or plain in _COMMON_ROOTS or letters in _COMMON_ROOTS
