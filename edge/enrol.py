"""Enrolment and renewal of a kit at the device authority over EST (RFC 7030).

The kit makes its key itself; the key never leaves it. The first contact is provisional, as RFC 7030 4.1.1
has it: the authority's root is fetched, compared with the fingerprint in the token, and only a connection
verified against that root carries the token's secret. Files appear in the data folder all at once at the
end; the one thing kept before is the new key, so that an answer lost on the way can be asked for again with
the same token.
"""

import argparse
import base64
import contextlib
import hashlib
import logging
import os
import ssl
import sys
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from contract import trust
from contract.enrolment import EnrolmentToken, MistypedTokenError, parse_token
from contract.signing import BadSignatureError, CodecError
from edge.options import KeySettings
from edge.reach.identity import Identity, IdentityError, sync_folder, write_durably
from edge.reach.trusted_time import TrustedTime, make_context
from edge.settings import SettingsError, load_settings
from edge.uplink.est import EnrolmentError, EstClient, RefusedError
from edge.uplink.renewal import certify_token_key, find_issuer, renew

log = logging.getLogger("zhixing.enrol")

DEFAULT_MQTT_PORT = 8883
DEFAULT_DOOR_PORT = 8443
PENDING_KEY = "device.key.pending"

KIT_TOML = """\
# Written at enrolment. Every option with its range stands in edge/settings.py.
[kit]
id = "{kit_id}"
court = "{court}"

[mqtt]
host = "{mqtt_host}"
port = {mqtt_port}

[door]
url = "{door_url}"

[authority]
url = "{est_url}"
"""


def enrol(token: EnrolmentToken, folder: Path, *, mqtt: str = "", door: str = "", court: str = "") -> None:
    """Make a key, get its certificate and write all files of the kit's identity into `folder`.

    `mqtt` is host:port and `door` an https address; left out, they are the authority's host with the default
    ports. Raises EnrolmentError; then the folder's identity is as it was.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _check_owner(folder, token.kit_id)
    settings = _build_settings(token, mqtt=mqtt, door=door, court=court)
    authorities = _fetch_authorities(token)
    root = authorities[0]
    est = EstClient(token.est_url, make_context(_floor_of(root), root_pem=_to_pem(root)))
    key = _prepare_key(folder, token)
    credentials = base64.b64encode(f"{token.kit_id}:{token.password}".encode()).decode()
    try:
        leaf = est.request_certificate("simpleenroll", key, token.kit_id, {"Authorization": f"Basic {credentials}"})
    except RefusedError as error:
        (folder / PENDING_KEY).unlink(missing_ok=True)
        raise EnrolmentError(str(error)) from error
    issuer = find_issuer(leaf, authorities)
    trust_list = _fetch_trust(est, root)
    _put_in_place(
        folder,
        {
            "root.crt": (_to_pem(root).encode(), 0o644),
            "trust.cbor": (trust_list, 0o644),
            **({} if (folder / "kit.toml").exists() else {"kit.toml": (settings.encode(), 0o644)}),
            "device.key": (_to_key_pem(key), 0o600),
            "device.crt": ((_to_pem(leaf) + _to_pem(issuer)).encode(), 0o644),
        },
    )
    (folder / PENDING_KEY).unlink(missing_ok=True)


def enrol_signing_key(folder: Path, est_url: str) -> None:
    """Make the signing key in the token that kit.toml names in ``[keys]``, and certify it; raises EnrolmentError.

    Without ``[keys]`` there is nothing to do: device.key signs.
    """
    keys = _read_keys(folder)
    if keys is not None:
        certify_token_key(folder, est_url, keys)


def _read_keys(folder: Path) -> KeySettings | None:
    if not (folder / "kit.toml").exists():
        return None
    try:
        keys = load_settings(folder / "kit.toml").keys
    except SettingsError as error:
        raise EnrolmentError(f"The signing key was not made: {error}") from error
    return keys if keys.pkcs11_module else None


def write_keys(folder: Path, keys: KeySettings) -> None:
    """Put ``[keys]`` at the end of kit.toml; raises EnrolmentError when it has another one already."""
    path = folder / "kit.toml"
    text = path.read_text(encoding="utf-8")
    if "[keys]" in text:
        raise EnrolmentError(f"{path} has a table [keys] already: edit it there, and leave the options out.")
    lines = [f"{name} = {_to_toml(value)}" for name, value in msgspec.structs.asdict(keys).items() if value]
    write_durably(path, (text.rstrip("\n") + "\n\n[keys]\n" + "\n".join(lines) + "\n").encode())


def _to_toml(text: str) -> str:
    return msgspec.json.encode(text).decode()  # a basic string of TOML has the escapes of JSON


def _check_owner(folder: Path, kit_id: str) -> None:
    if not (folder / "device.crt").exists():
        return
    with contextlib.suppress(IdentityError):
        owner = Identity(folder).kit_id
        if owner != kit_id:
            raise EnrolmentError(
                f"{folder} belongs to kit {owner}, the token is for {kit_id}: name an empty folder with --data."
            )


def _fetch_authorities(token: EnrolmentToken) -> list[x509.Certificate]:
    """The authority's certificates, root first, after the root was compared with the token's fingerprint."""
    # Provisional on purpose: nothing is sent here, and nothing received is used before the fingerprint fits.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    certificates = EstClient(token.est_url, context).fetch_authorities()
    roots = [item for item in certificates if item.fingerprint(hashes.SHA256()) == token.root_fingerprint]
    if not roots:
        raise EnrolmentError(
            f"{token.est_url} is not the authority this token was issued by (its root certificate has another "
            "fingerprint): check the address with the issuer, and do not go on over this network."
        )
    return [roots[0], *(item for item in certificates if item != roots[0])]


def _prepare_key(folder: Path, token: EnrolmentToken) -> ec.EllipticCurvePrivateKey:
    """The key for this token: a new one, or the one kept from an attempt whose answer was lost."""
    path = folder / PENDING_KEY
    mark = f"# {hashlib.sha256(token.secret).hexdigest()}\n".encode()
    with contextlib.suppress(OSError, ValueError, TypeError):
        kept = path.read_bytes()
        if kept.startswith(mark):
            key = load_pem_private_key(kept[len(mark) :], None)
            if isinstance(key, ec.EllipticCurvePrivateKey):
                return key
    key = ec.generate_private_key(ec.SECP256R1())
    write_durably(path, mark + _to_key_pem(key), mode=0o600)
    return key


def _fetch_trust(est: EstClient, root: x509.Certificate) -> bytes:
    data = est.fetch_trust()
    key = root.public_key()
    try:
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise CodecError("The root carries no P-256 key.")
        trust.verify_trust_list(key, data)
    except (CodecError, BadSignatureError) as error:
        raise EnrolmentError(f"The authority's trust list cannot be used ({error}): report this to it.") from error
    return data


def _build_settings(token: EnrolmentToken, *, mqtt: str, door: str, court: str) -> str:
    host = urlsplit(token.est_url).hostname or ""
    bare = f"[{host}]" if ":" in host else host
    mqtt_host, _, mqtt_port = (mqtt or f"{bare}:{DEFAULT_MQTT_PORT}").rpartition(":")
    if not mqtt_host or not mqtt_port.isdecimal():
        raise EnrolmentError(f"--mqtt {mqtt!r} is not host:port; write for example --mqtt centre.example:8883.")
    return KIT_TOML.format(
        kit_id=token.kit_id,
        est_url=token.est_url,
        court=court,
        mqtt_host=mqtt_host.strip("[]"),
        mqtt_port=int(mqtt_port),
        door_url=door or f"https://{bare}:{DEFAULT_DOOR_PORT}",
    )


def _put_in_place(folder: Path, files: dict[str, tuple[bytes, int]]) -> None:
    """All files or none: written aside first, then renamed; the certificate comes last and makes it count."""
    fresh = [(folder / f"{name}.new", folder / name) for name in files]
    try:
        for (path, _), (data, mode) in zip(fresh, files.values(), strict=True):
            write_durably(path, data, mode=mode)
        for path, target in fresh:
            path.replace(target)
    except OSError as error:
        for path, _ in fresh:
            path.unlink(missing_ok=True)
        raise EnrolmentError(
            f"{folder} cannot be written ({error}): make room or give rights, then run the same command again; "
            "the token is still good for this kit."
        ) from error
    sync_folder(folder)


def _floor_of(root: x509.Certificate) -> TrustedTime:
    return TrustedTime(int(root.not_valid_before_utc.timestamp() * 1000))


def _to_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _to_key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def run_enrol(options: argparse.Namespace) -> int:
    """``zhixing-kit enrol``: 0 when enrolled or renewed, 1 with one sentence otherwise."""
    os.umask(0o077)
    try:
        if options.renew:
            renew(options.data, options.renew, keys=_read_keys(options.data))
            print(f"The certificate in {options.data} was renewed.")
            return 0
        text = sys.stdin.read() if options.token in (None, "-") else options.token
        token = parse_token(text)
        enrol(token, options.data, mqtt=options.mqtt or "", door=options.door or "", court=options.court)
        if options.pkcs11:
            keys = KeySettings(
                pkcs11_module=options.pkcs11, token_label=options.token_label, pin_file=options.pin_file
            )
            write_keys(options.data, keys)
        enrol_signing_key(options.data, token.est_url)
    except (EnrolmentError, MistypedTokenError) as error:
        print(f"zhixing-kit: {error}", file=sys.stderr)
        return 1
    print(f"{token.kit_id} is enrolled. Start it with: zhixing-kit run --config {options.data / 'kit.toml'}")
    return 0
