"""The encrypted segment container: the age v1 format (C2SP age.md) with X25519 recipients.

A kit encrypts to public keys only; what it wrote it cannot read. Files open in Debian's ``age``. The parser is
strict: whatever the specification forbids is refused, so that one plaintext has one reading.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from contract import bech32
from contract.age_header import VERSION_LINE, EnvelopeError, HeaderError, Stanza, b64, read_header, unb64

CHUNK_BYTES: Final = 64 * 1024
_TAG_BYTES: Final = 16
_SEALED_CHUNK_BYTES: Final = CHUNK_BYTES + _TAG_BYTES
_FILE_KEY_BYTES: Final = 16
_NONCE_BYTES: Final = 16
_X25519_LABEL: Final = b"age-encryption.org/v1/X25519"
_ZERO_NONCE: Final = bytes(12)


class KeyTextError(EnvelopeError):
    """A recipient or identity text is not a key."""


class NoMatchingKeyError(EnvelopeError):
    """No identity given fits any recipient of the container."""


class PayloadError(EnvelopeError):
    """The payload was changed, cut or lengthened."""


def recipient_from_text(text: str) -> X25519PublicKey:
    """Public key of an ``age1...`` text; raise KeyTextError otherwise."""
    return X25519PublicKey.from_public_bytes(_key_bytes("age", text))


def recipient_to_text(key: X25519PublicKey) -> str:
    """``age1...`` text of a public key."""
    return bech32.encode("age", key.public_bytes_raw())


def identity_from_text(text: str) -> X25519PrivateKey:
    """Private key of an ``AGE-SECRET-KEY-1...`` text; raise KeyTextError otherwise."""
    return X25519PrivateKey.from_private_bytes(_key_bytes("age-secret-key-", text))


def identity_to_text(key: X25519PrivateKey) -> str:
    """``AGE-SECRET-KEY-1...`` text of a private key."""
    return bech32.encode("age-secret-key-", key.private_bytes_raw()).upper()


def identities_from_file_text(text: str) -> list[X25519PrivateKey]:
    """Identities of an age identity file: one a line, ``#`` begins a comment."""
    lines = (line.strip() for line in text.splitlines())
    return [identity_from_text(line) for line in lines if line and not line.startswith("#")]


def build_header(file_key: bytes, stanzas: Sequence[Stanza]) -> bytes:
    """A whole header, its MAC included, for ``file_key`` (16 bytes) wrapped in ``stanzas``."""
    head = VERSION_LINE + b"\n" + b"".join(stanza.pack() for stanza in stanzas) + b"---"
    return head + b" " + b64(_header_mac(file_key, head)).encode() + b"\n"


class Sealer:
    """Encrypts a stream to ``recipients``: :meth:`write` as often as needed, then :meth:`close` once.

    Ciphertext goes to ``sink`` as soon as a 64 KiB chunk is full; no clear byte leaves the object.
    """

    def __init__(self, recipients: Sequence[X25519PublicKey], sink: Callable[[bytes], object]) -> None:
        if not recipients:
            raise KeyTextError("A container needs at least one recipient; name the centre's key.")
        file_key, nonce = os.urandom(_FILE_KEY_BYTES), os.urandom(_NONCE_BYTES)
        self._sink = sink
        self._cipher = ChaCha20Poly1305(_derive(file_key, nonce, b"payload"))
        self._counter = 0
        self._held = bytearray()
        sink(build_header(file_key, [_wrap_x25519(file_key, key) for key in recipients]) + nonce)

    def write(self, data: bytes) -> None:
        """Encrypt ``data``; the last chunk waits for :meth:`close`."""
        self._held += data
        while len(self._held) > CHUNK_BYTES:
            self._seal_chunk(bytes(self._held[:CHUNK_BYTES]), last=False)
            del self._held[:CHUNK_BYTES]

    def close(self) -> None:
        """Seal the last chunk."""
        self._seal_chunk(bytes(self._held), last=True)
        self._held.clear()

    def _seal_chunk(self, chunk: bytes, *, last: bool) -> None:
        self._sink(self._cipher.encrypt(_chunk_nonce(self._counter, last=last), chunk, None))
        self._counter += 1


def seal(data: bytes, recipients: Sequence[X25519PublicKey]) -> bytes:
    """``data`` as one container."""
    out = bytearray()
    sealer = Sealer(recipients, out.extend)
    sealer.write(data)
    sealer.close()
    return bytes(out)


def open_stream(source: BinaryIO, identities: Sequence[X25519PrivateKey]) -> Iterator[bytes]:
    """Decrypt ``source`` chunk by chunk (at most 64 KiB each), each authenticated before it is given.

    Raises HeaderError, NoMatchingKeyError before the first chunk, PayloadError where the payload was changed;
    a stream cut at a chunk border raises after its last chunk: what came before it is genuine.
    """
    head, stanzas, mac = read_header(source)
    file_key = _unwrap(stanzas, identities)
    if not hmac.compare_digest(_header_mac(file_key, head), mac):
        raise HeaderError("The header was changed: its MAC does not match.")
    nonce = source.read(_NONCE_BYTES)
    if len(nonce) != _NONCE_BYTES:
        raise PayloadError("The container ends inside its header.")
    yield from _open_chunks(source, ChaCha20Poly1305(_derive(file_key, nonce, b"payload")))


def open_bytes(data: bytes, identities: Sequence[X25519PrivateKey]) -> bytes:
    """The whole plaintext of a container held in memory; raises as :func:`open_stream`."""
    import io

    return b"".join(open_stream(io.BytesIO(data), identities))


def _open_chunks(source: BinaryIO, cipher: ChaCha20Poly1305) -> Iterator[bytes]:
    counter = 0
    chunk = _read_fully(source, _SEALED_CHUNK_BYTES)
    while True:
        following = _read_fully(source, _SEALED_CHUNK_BYTES)
        last = not following
        try:
            clear = cipher.decrypt(_chunk_nonce(counter, last=last), chunk, None)
        except InvalidTag as error:
            raise PayloadError(f"Chunk {counter} was changed, cut or is not the last it should be.") from error
        if last and counter and not clear:
            raise PayloadError("The last chunk is empty, which the format forbids.")
        yield clear
        if last:
            return
        chunk, counter = following, counter + 1


def _wrap_x25519(file_key: bytes, recipient: X25519PublicKey) -> Stanza:
    ephemeral = X25519PrivateKey.generate()
    share, public = ephemeral.public_key().public_bytes_raw(), recipient.public_bytes_raw()
    key = _derive(ephemeral.exchange(recipient), share + public, _X25519_LABEL)
    return Stanza(("X25519", b64(share)), ChaCha20Poly1305(key).encrypt(_ZERO_NONCE, file_key, None))


def _unwrap(stanzas: Sequence[Stanza], identities: Sequence[X25519PrivateKey]) -> bytes:
    # The format allows a passphrase entry only alone: beside another recipient it would be a second, weaker door.
    if any(stanza.words[0] == "scrypt" for stanza in stanzas):
        raise HeaderError("The container is sealed under a passphrase; open it with the age program.")
    for stanza in stanzas:
        if stanza.words[0] != "X25519":
            continue
        share = unb64(stanza.words[1].encode()) if len(stanza.words) == 2 else b""
        if len(share) != 32 or len(stanza.body) != _FILE_KEY_BYTES + _TAG_BYTES:
            raise HeaderError("An X25519 entry of the header is malformed.")
        for identity in identities:
            file_key = _unwrap_x25519(share, stanza.body, identity)
            if file_key is not None:
                return file_key
    raise NoMatchingKeyError("The container was sealed for other keys than the ones given.")


def _unwrap_x25519(share: bytes, body: bytes, identity: X25519PrivateKey) -> bytes | None:
    try:
        secret = identity.exchange(X25519PublicKey.from_public_bytes(share))
    except ValueError as error:  # an all-zero result: a share of small order
        raise HeaderError("An X25519 entry of the header has a forbidden share.") from error
    key = _derive(secret, share + identity.public_key().public_bytes_raw(), _X25519_LABEL)
    try:
        return ChaCha20Poly1305(key).decrypt(_ZERO_NONCE, body, None)
    except InvalidTag:
        return None


def _key_bytes(prefix: str, text: str) -> bytes:
    try:
        data = bech32.decode(prefix, text.strip())
    except bech32.Bech32Error as error:
        raise KeyTextError(str(error)) from error
    if len(data) != 32:
        raise KeyTextError("The key text has a wrong length; copy it anew.")
    return data


def _derive(secret: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, info).derive(secret)


def _header_mac(file_key: bytes, head: bytes) -> bytes:
    return hmac.digest(_derive(file_key, b"", b"header"), head, "sha256")


def _chunk_nonce(counter: int, *, last: bool) -> bytes:
    return counter.to_bytes(11, "big") + bytes([last])


def _read_fully(source: BinaryIO, size: int) -> bytes:
    data = source.read(size)
    while len(data) < size and (more := source.read(size - len(data))):
        data += more
    return data
