"""Names that both sides build addresses from: kit ids, MQTT topics and NATS subjects."""

from __future__ import annotations

import re
from typing import Final

KIT_ID: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,30})[a-z0-9]")
HEX_ID: Final = re.compile(r"[0-9a-f]{32}")

UP_KINDS: Final = ("position", "alarm", "chain", "health", "receipt", "hello", "beat")
CMD_KINDS: Final = ("receipt", "directive", "channel")


class BadNameError(ValueError):
    """A name from outside does not have the form that addresses are built from."""


def check_kit_id(kit_id: str) -> str:
    """Return ``kit_id`` unchanged; raise BadNameError when it could widen a topic or a path."""
    if not KIT_ID.fullmatch(kit_id):
        raise BadNameError(
            f"{kit_id[:64]!r} is not a kit id: use 3 to 32 lower-case letters, digits or hyphens, "
            "beginning and ending with a letter or digit."
        )
    return kit_id


def check_hex_id(value: str) -> str:
    """Return a 128-bit id written as 32 lower-case hex digits; raise BadNameError otherwise."""
    if not HEX_ID.fullmatch(value):
        raise BadNameError(f"{value[:64]!r} is not an id of 32 lower-case hexadecimal digits.")
    return value


def up_topic(kit_id: str, kind: str) -> str:
    """MQTT topic a kit writes messages of ``kind`` to."""
    return f"kits/{kit_id}/up/{kind}"


def cmd_topic(kit_id: str, kind: str) -> str:
    """MQTT topic a kit reads ``kind`` from."""
    return f"cmd/{kit_id}/{kind}"


def up_subject(kit_id: str, kind: str) -> str:
    """The same address as :func:`up_topic`, as the broker's native subject."""
    return f"kits.{kit_id}.up.{kind}"


def cmd_subject(kit_id: str, kind: str) -> str:
    """The same address as :func:`cmd_topic`, as the broker's native subject."""
    return f"cmd.{kit_id}.{kind}"


def split_up_subject(subject: str) -> tuple[str, str]:
    """Kit id and kind of an uplink subject; raise BadNameError for any other."""
    parts = subject.split(".")
    if len(parts) != 4 or parts[0] != "kits" or parts[2] != "up" or parts[3] not in UP_KINDS:
        raise BadNameError(f"{subject[:96]!r} is not an uplink subject kits.<kit>.up.<kind>.")
    return check_kit_id(parts[1]), parts[3]
