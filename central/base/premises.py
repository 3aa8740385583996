"""What must hold of a machine before the centre starts on it: free ports, and no key where it must not lie."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Final

from central.base.receipt_key import RECEIPT_KEY_FILE
from central.base.settings import Settings, SettingsError

_ESCROW_SCAN_BYTES: Final = 64 * 1024


def check_ports(settings: Settings) -> None:
    """Refuse to start when another program listens on one of the ports. Raises SettingsError."""
    ports = {
        "web": (settings.web_host, settings.web_port),
        "door": (settings.door_host, settings.door_port),
        "api": (settings.api_host, settings.api_port),
        "mqtt": (settings.mqtt_host, settings.mqtt_port),
        "nats": (settings.nats_host, settings.nats_port),
        "zone": (settings.zone_host, settings.zone_port),
        "live": (settings.live_host, settings.live_port),
        "live_kit": (settings.live_kit_host, settings.live_kit_port),
    }
    live = ["live", "live_kit"] if settings.live_on else []
    names = {
        "whole": ["web", "door", "api", *live, *(["mqtt", "nats"] if settings.broker == "embedded" else [])],
        "zone": ["door", "mqtt", "nats", "zone"],
        "inside": ["web", "api", "nats"],
    }
    wanted = [(name, *ports[name]) for name in names[settings.role]]
    for name, host, port in wanted:
        try:
            socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
        except OSError as error:
            raise SettingsError(
                f"{name}_host {host} with {name}_port {port} cannot be used ({error.strerror}): "
                f"end the program that holds the port, or set another {name}_port."
            ) from error


def check_no_escrow(settings: Settings) -> None:
    """Refuse to start with a private decryption key other than the centre's own beside the data.

    Raises SettingsError: the escrow identity must lie outside these folders, or it protects nothing.
    """
    own = Path(settings.keys_dir) / "centre.age"
    for folder in (settings.data_dir, settings.keys_dir, settings.handover_dir):
        for path in sorted([*Path(folder).glob("*"), *Path(folder).glob("*/*")]):
            if path != own and path.is_file() and _holds_identity(path):
                raise SettingsError(
                    f"{path} holds a private or escrow key: move it out of the centre's folders, "
                    "to a medium kept elsewhere, and start again."
                )


def check_zone_keys(settings: Settings) -> None:
    """Refuse to start a zone beside a key that opens or receipts evidence. Raises SettingsError."""
    for folder in (settings.data_dir, settings.keys_dir, settings.handover_dir):
        for path in sorted([*Path(folder).glob("*"), *Path(folder).glob("*/*")]):
            if path.is_file() and (path.name in {RECEIPT_KEY_FILE, "fields.json"} or _holds_identity(path)):
                raise SettingsError(
                    f"{path} is a key that belongs to the inside alone: remove it from the zone and start again; "
                    "a zone holds only what `zhixing-provision zone` made for it."
                )


def _holds_identity(path: Path) -> bool:
    if path.stat().st_size > _ESCROW_SCAN_BYTES:
        return False
    start = path.read_bytes()
    under_passphrase = start.startswith(b"age-encryption.org/v1\n-> scrypt ") or b"BEGIN AGE ENCRYPTED FILE" in start
    return under_passphrase or b"AGE-SECRET-KEY-" in start
