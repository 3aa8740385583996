"""The container against two other implementations of age (Debian's age, pyrage), and against attacks.

The attacks follow the categories of the published CCTV age test vectors; each is also given to pyrage, so that no
container exists that one program opens and another refuses.
"""

import base64
import hashlib
import hmac
import io
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pyrage
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from contract import envelope
from contract.age_header import EnvelopeError, HeaderError, Stanza
from contract.envelope import CHUNK_BYTES, KeyTextError, NoMatchingKeyError, PayloadError

SIZES = [0, 1, 1000, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES + 77]
KEY = X25519PrivateKey.from_private_bytes(hashlib.sha256(b"centre").digest())
OTHER = X25519PrivateKey.from_private_bytes(hashlib.sha256(b"escrow").digest())
PLAIN = b"picture and sound"


def picture(size: int) -> bytes:
    return hashlib.shake_256(b"picture").digest(size)


def b64(data: bytes) -> str:
    return base64.b64encode(data).rstrip(b"=").decode()


def identity_file(folder: Path, key: X25519PrivateKey) -> Path:
    path = folder / "identity.txt"
    path.write_text(f"# an identity\n{envelope.identity_to_text(key)}\n")
    return path


def open_with_pyrage(data: bytes, key: X25519PrivateKey) -> bytes:
    return pyrage.decrypt(data, [pyrage.x25519.Identity.from_str(envelope.identity_to_text(key))])


class TestBothWays:
    """What we seal others open; what others seal we open."""

    @pytest.mark.parametrize("size", SIZES)
    def test_pyrage(self, size: int) -> None:
        clear = picture(size)
        recipients = [KEY.public_key(), OTHER.public_key()]
        sealed = envelope.seal(clear, recipients)
        assert open_with_pyrage(sealed, KEY) == open_with_pyrage(sealed, OTHER) == clear
        texts = [pyrage.x25519.Recipient.from_str(envelope.recipient_to_text(key)) for key in recipients]
        foreign = pyrage.encrypt(clear, texts)
        assert envelope.open_bytes(foreign, [KEY]) == envelope.open_bytes(foreign, [OTHER]) == clear

    @pytest.mark.system
    @pytest.mark.parametrize("size", SIZES)
    def test_debians_age(self, tmp_path: Path, size: int) -> None:
        clear = picture(size)
        (tmp_path / "sealed.age").write_bytes(envelope.seal(clear, [OTHER.public_key(), KEY.public_key()]))
        command = ["age", "-d", "-i", identity_file(tmp_path, KEY), tmp_path / "sealed.age"]
        assert subprocess.run(command, capture_output=True, check=True).stdout == clear
        recipient = envelope.recipient_to_text(KEY.public_key())
        done = subprocess.run(["age", "-r", recipient], input=clear, capture_output=True, check=True)
        assert envelope.open_bytes(done.stdout, [KEY]) == clear

    @pytest.mark.system
    def test_keys_of_age_keygen(self, tmp_path: Path) -> None:
        subprocess.run(["age-keygen", "-o", tmp_path / "key"], capture_output=True, check=True)
        text = (tmp_path / "key").read_text()
        (identity,) = envelope.identities_from_file_text(text)
        public = text.split("public key: ")[1].split("\n")[0]
        assert envelope.recipient_to_text(identity.public_key()) == public
        assert envelope.recipient_from_text(public) == identity.public_key()

    def test_stream_gives_chunks_as_they_come(self) -> None:
        clear = picture(3 * CHUNK_BYTES + 5)
        out: list[bytes] = []
        sealer = envelope.Sealer([KEY.public_key()], out.append)
        for at in range(0, len(clear), 1000):
            sealer.write(clear[at : at + 1000])
        written_before_close = sum(map(len, out))
        sealer.close()
        assert written_before_close > 3 * CHUNK_BYTES
        chunks = list(envelope.open_stream(io.BytesIO(b"".join(out)), [KEY]))
        assert [len(chunk) for chunk in chunks] == [CHUNK_BYTES] * 3 + [5]
        assert b"".join(chunks) == clear

    def test_small_reads_of_a_slow_source(self) -> None:
        class Slow(io.RawIOBase):
            def __init__(self, data: bytes) -> None:
                self.inner = io.BytesIO(data)

            def readable(self) -> bool:
                return True

            def read(self, size: int = -1) -> bytes:
                return self.inner.read(min(size, 100) if size > 0 else size)

        clear = picture(CHUNK_BYTES + 500)
        source = Slow(envelope.seal(clear, [KEY.public_key()]))
        assert b"".join(envelope.open_stream(source, [KEY])) == clear


class Forge:
    """Builds containers piece by piece, right unless told otherwise."""

    file_key = bytes(range(16))
    nonce = bytes(range(100, 116))

    def stanza(
        self,
        recipient: X25519PublicKey | None = None,
        *,
        share: bytes | None = None,
        file_key: bytes | None = None,
        words: tuple[str, ...] = (),
    ) -> Stanza:
        ephemeral = X25519PrivateKey.from_private_bytes(hashlib.sha256(b"ephemeral").digest())
        public = (recipient or KEY.public_key()).public_bytes_raw()
        mine = ephemeral.public_key().public_bytes_raw()
        shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(public))
        wrap = HKDF(SHA256(), 32, mine + public, b"age-encryption.org/v1/X25519").derive(shared)
        body = ChaCha20Poly1305(wrap).encrypt(bytes(12), file_key or self.file_key, None)
        return Stanza(("X25519", b64(share or mine), *words), body)

    def header(self, *stanzas: Stanza) -> bytes:
        return envelope.build_header(self.file_key, stanzas or [self.stanza()])

    def seal_header(self, text: bytes) -> bytes:
        """The MAC line for a header text up to and with its three hyphens."""
        key = HKDF(SHA256(), 32, b"", b"header").derive(self.file_key)
        return text + b" " + b64(hmac.digest(key, text, "sha256")).encode() + b"\n"

    def chunk(self, number: int, clear: bytes, *, last: bool) -> bytes:
        key = HKDF(SHA256(), 32, self.nonce, b"payload").derive(self.file_key)
        return ChaCha20Poly1305(key).encrypt(number.to_bytes(11, "big") + bytes((last,)), clear, None)

    def payload(self, *chunks: bytes) -> bytes:
        last = len(chunks) - 1
        return self.nonce + b"".join(
            self.chunk(number, clear, last=number == last) for number, clear in enumerate(chunks)
        )

    def whole(self) -> bytes:
        return self.header() + self.payload(PLAIN)


FORGE = Forge()
FULL = picture(CHUNK_BYTES)


def body_line(change: Callable[[bytes], bytes]) -> bytes:
    """A container whose stanza body line is changed, with a MAC that fits the change."""
    text = FORGE.header().rpartition(b" ")[0]
    lines = text.split(b"\n")
    lines[2] = change(lines[2])
    return FORGE.seal_header(b"\n".join(lines)) + FORGE.payload(PLAIN)


def header_text(change: Callable[[bytes], bytes]) -> bytes:
    """A container whose header text is changed, with a MAC that fits the change."""
    return FORGE.seal_header(change(FORGE.header().rpartition(b" ")[0])) + FORGE.payload(PLAIN)


def mac_line(change: Callable[[bytes], bytes]) -> bytes:
    head, _, mac = FORGE.header().rpartition(b" ")
    return head + b" " + change(mac) + FORGE.payload(PLAIN)


def uncanonical(text: bytes) -> bytes:
    """The same base64 value with another spelling: a stray bit in the last symbol."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return text[:-1] + alphabet[alphabet.index(text[-1]) ^ 1 :][:1]


HEADER_ATTACKS: dict[str, bytes] = {
    "version_unsupported": header_text(lambda text: text.replace(b"/v1", b"/v1234", 1)),
    "other_magic": b"x" + FORGE.whole(),
    "crlf": FORGE.header().replace(b"\n", b"\r\n") + FORGE.payload(PLAIN),
    "crlf_with_fitting_mac": header_text(lambda text: text.replace(b"\n", b"\r\n")),
    "no_stanza": FORGE.seal_header(b"age-encryption.org/v1\n---") + FORGE.payload(PLAIN),
    "stanza_empty_argument": header_text(lambda text: text.replace(b"-> X25519 ", b"-> X25519  ", 1)),
    "stanza_trailing_space": header_text(lambda text: text.replace(b"\n", b" \n", 2).replace(b" \n", b"\n", 1)),
    "stanza_control_character": FORGE.header(FORGE.stanza(), Stanza(("grease", "a\x7fb"), b""))
    + FORGE.payload(PLAIN),
    "stanza_without_type": header_text(lambda text: text.replace(b"-> X25519", b"->", 1).replace(b"->", b"-> ", 1)),
    "stanza_bad_start": header_text(lambda text: text.replace(b"-> X25519", b"--> X25519", 1)),
    "stanza_body_missing": body_line(lambda _: b""),
    "stanza_body_padded": body_line(lambda line: line + b"="),
    "stanza_body_uncanonical": body_line(uncanonical),
    "stanza_body_not_base64": body_line(lambda line: b"*" + line[1:]),
    "stanza_body_urlsafe": body_line(lambda line: b"-_" + line[2:]),
    "stanza_body_space": body_line(lambda line: line[:5] + b" " + line[5:]),
    "stanza_body_two_short_lines": body_line(lambda line: line[:20] + b"\n" + line[20:]),
    "stanza_body_long_line": FORGE.header(FORGE.stanza(), Stanza(("grease",), bytes(48))).replace(
        b"AAAA\n\n", b"AAAAAAAA\n"
    )
    + FORGE.payload(PLAIN),
    "stanza_body_short": FORGE.header(Stanza(FORGE.stanza().words, FORGE.stanza().body[:-1])) + FORGE.payload(PLAIN),
    "x25519_extra_argument": FORGE.header(FORGE.stanza(words=("more",))) + FORGE.payload(PLAIN),
    "x25519_no_share": FORGE.header(Stanza(("X25519",), FORGE.stanza().body)) + FORGE.payload(PLAIN),
    "x25519_short_share": FORGE.header(FORGE.stanza(share=bytes(31) + b"")) + FORGE.payload(PLAIN),
    "x25519_long_share": FORGE.header(FORGE.stanza(share=bytes(33))) + FORGE.payload(PLAIN),
    "x25519_low_order_share": FORGE.header(FORGE.stanza(share=bytes(32))) + FORGE.payload(PLAIN),
    "x25519_identity_share": FORGE.header(FORGE.stanza(share=b"\1" + bytes(31))) + FORGE.payload(PLAIN),
    "x25519_long_file_key": FORGE.header(FORGE.stanza(file_key=bytes(24))) + FORGE.payload(PLAIN),
    "x25519_uncanonical_share": header_text(
        lambda text: text.replace((words := text.split(b"\n")[1]), uncanonical(words), 1)
    ),
    "mac_flipped": mac_line(lambda mac: (b"A" if mac[:1] != b"A" else b"B") + mac[1:]),
    "mac_missing": mac_line(lambda _: b"\n"),
    "mac_truncated": mac_line(lambda mac: mac[:-2] + b"\n"),
    "mac_padded": mac_line(lambda mac: mac[:-1] + b"=\n"),
    "mac_uncanonical": mac_line(lambda mac: uncanonical(mac[:-1]) + b"\n"),
    "mac_trailing_space": mac_line(lambda mac: mac[:-1] + b" \n"),
    "mac_extra_space": mac_line(lambda mac: b" " + mac),
    "mac_garbage": mac_line(lambda mac: mac[:-1] + b"AAAA\n"),
    "mac_line_without_space": FORGE.header().replace(b"--- ", b"---") + FORGE.payload(PLAIN),
    "stanza_added": FORGE.header().replace(b"\n", b"\n-> grease\nAAAA\n", 1) + FORGE.payload(PLAIN),
    "scrypt_beside_x25519": FORGE.header(FORGE.stanza(), Stanza(("scrypt", b64(bytes(16)), "10"), bytes(32)))
    + FORGE.payload(PLAIN),
    "scrypt_before_x25519": FORGE.header(Stanza(("scrypt", b64(bytes(16)), "10"), bytes(32)), FORGE.stanza())
    + FORGE.payload(PLAIN),
    "armored": b"-----BEGIN AGE ENCRYPTED FILE-----\n"
    + base64.encodebytes(FORGE.whole())
    + b"-----END AGE ENCRYPTED FILE-----\n",
    "empty": b"",
    "only_the_version": b"age-encryption.org/v1\n",
    "endless_line": b"age-encryption.org/v1\n-> " + b"a" * 70_000,
    "ten_thousand_stanzas": FORGE.header(*[Stanza(("grease",), b"")] * 10_000) + FORGE.payload(PLAIN),
}

PAYLOAD_ATTACKS: dict[str, bytes] = {
    "no_nonce": FORGE.header(),
    "short_nonce": FORGE.header() + FORGE.nonce[:-1],
    "no_chunk": FORGE.header() + FORGE.nonce,
    "missing_tag": FORGE.whole()[:-16],
    "cut_by_one": FORGE.whole()[:-1],
    "tag_flipped": FORGE.whole()[:-1] + bytes((FORGE.whole()[-1] ^ 1,)),
    "nonce_flipped": FORGE.header() + bytes(16) + FORGE.payload(PLAIN)[16:],
    "byte_after_the_last_chunk": FORGE.whole() + b"\0",
    "trailing_garbage_after_a_full_chunk": FORGE.header() + FORGE.payload(FULL) + b"garbage",
    "chunk_after_the_last": FORGE.header() + FORGE.payload(FULL) + FORGE.chunk(1, PLAIN, last=True),
    "empty_last_chunk": FORGE.header() + FORGE.payload(FULL, b""),
    "short_chunk_in_the_middle": FORGE.header() + FORGE.payload(FULL[:-1], PLAIN),
    "long_chunk": FORGE.header() + FORGE.payload(FULL + b"x"),
    "last_chunk_dropped": (FORGE.header() + FORGE.payload(FULL, PLAIN))[: -len(PLAIN) - 16],
    "last_chunk_not_marked": FORGE.header() + FORGE.nonce + FORGE.chunk(0, PLAIN, last=False),
    "chunks_swapped": FORGE.header()
    + FORGE.nonce
    + FORGE.chunk(1, FULL, last=False)
    + FORGE.chunk(0, FULL, last=False)
    + FORGE.chunk(2, PLAIN, last=True),
    "chunk_repeated": FORGE.header()
    + FORGE.nonce
    + FORGE.chunk(0, FULL, last=False) * 2
    + FORGE.chunk(1, PLAIN, last=True),
    "first_chunk_dropped": FORGE.header() + FORGE.nonce + FORGE.chunk(1, PLAIN, last=True),
}


class TestStrictParser:
    def test_the_forge_makes_good_containers(self) -> None:
        assert envelope.open_bytes(FORGE.whole(), [KEY]) == PLAIN == open_with_pyrage(FORGE.whole(), KEY)
        two = FORGE.header() + FORGE.payload(FULL, PLAIN)
        assert envelope.open_bytes(two, [KEY]) == FULL + PLAIN == open_with_pyrage(two, KEY)
        assert header_text(lambda text: text) == body_line(lambda line: line) == FORGE.whole()
        assert mac_line(lambda mac: mac) == FORGE.whole()

    @pytest.mark.parametrize("name", HEADER_ATTACKS)
    def test_header_attack_is_refused_before_any_clear_byte(self, name: str) -> None:
        stream = envelope.open_stream(io.BytesIO(HEADER_ATTACKS[name]), [KEY])
        with pytest.raises((HeaderError, NoMatchingKeyError)):
            next(stream)

    @pytest.mark.parametrize("name", PAYLOAD_ATTACKS)
    def test_payload_attack_is_refused(self, name: str) -> None:
        with pytest.raises(PayloadError):
            envelope.open_bytes(PAYLOAD_ATTACKS[name], [KEY])

    # pyrage opens any number of stanzas, and armour; refusing those is a limit of ours.
    @pytest.mark.parametrize(
        "name", [*sorted(HEADER_ATTACKS.keys() - {"ten_thousand_stanzas", "armored"}), *PAYLOAD_ATTACKS]
    )
    def test_pyrage_refuses_it_too(self, name: str) -> None:
        with pytest.raises(pyrage.DecryptError):
            open_with_pyrage((HEADER_ATTACKS | PAYLOAD_ATTACKS)[name], KEY)

    def test_every_flip_in_the_header_is_refused(self) -> None:
        data = FORGE.whole()
        for at in range(len(FORGE.header())):
            changed = data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]
            with pytest.raises(EnvelopeError):
                envelope.open_bytes(changed, [KEY])

    def test_every_truncation_is_refused(self) -> None:
        data = FORGE.whole()
        for size in range(len(data)):
            with pytest.raises(EnvelopeError):
                envelope.open_bytes(data[:size], [KEY])

    def test_chunks_before_the_damage_are_given_and_genuine(self) -> None:
        cut = FORGE.header() + FORGE.payload(FULL, FULL, PLAIN)
        stream = envelope.open_stream(io.BytesIO(cut[:-1]), [KEY])
        assert [next(stream), next(stream)] == [FULL, FULL]
        with pytest.raises(PayloadError):
            next(stream)

    def test_unknown_stanzas_are_passed_over(self) -> None:
        grease = Stanza(("5-grease", "x", "y"), picture(100))
        data = FORGE.header(grease, FORGE.stanza(OTHER.public_key()), FORGE.stanza()) + FORGE.payload(PLAIN)
        assert envelope.open_bytes(data, [KEY]) == PLAIN == open_with_pyrage(data, KEY)

    def test_body_of_full_lines_ends_with_an_empty_one(self) -> None:
        grease = Stanza(("grease",), picture(96))
        data = FORGE.header(grease, FORGE.stanza()) + FORGE.payload(PLAIN)
        assert b"\n\n-> X25519" in data
        assert envelope.open_bytes(data, [KEY]) == PLAIN == open_with_pyrage(data, KEY)

    def test_wrong_key(self) -> None:
        with pytest.raises(NoMatchingKeyError):
            envelope.open_bytes(FORGE.whole(), [OTHER])
        with pytest.raises(NoMatchingKeyError):
            envelope.open_bytes(FORGE.whole(), [])


class TestKeyTexts:
    @pytest.mark.parametrize("change", ["flip", "mixed", "short", "prefix", "empty", "long"])
    def test_broken_texts(self, change: str) -> None:
        good = envelope.recipient_to_text(KEY.public_key())
        texts: dict[str, str] = {
            "flip": good[:-1] + ("q" if good[-1] != "q" else "p"),
            "mixed": good[:10].upper() + good[10:],
            "short": good[:-1],
            "prefix": envelope.identity_to_text(KEY),
            "empty": "",
            "long": good + "q",
        }
        with pytest.raises(KeyTextError):
            envelope.recipient_from_text(texts[change])

    def test_no_recipient(self) -> None:
        nobody: Sequence[X25519PublicKey] = []
        with pytest.raises(KeyTextError):
            envelope.seal(b"x", nobody)

    def test_each_sealing_is_fresh(self) -> None:
        first, second = (envelope.seal(PLAIN, [KEY.public_key()]) for _ in range(2))
        assert first != second
        assert first[:22] == second[:22] == b"age-encryption.org/v1\n"
        assert not {first[at : at + 16] for at in range(32, len(first) - 16)} & {
            second[at : at + 16] for at in range(32, len(second) - 16)
        }
