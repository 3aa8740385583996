"""A session's record as a package: genuine with the authority's root alone, and whatever is done to it is named."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from contract import chain, envelope, package, segment, session_record, verify
from contract.chain_writer import ChainWriter
from contract.findings import Finding, Verdict
from contract.live import Type, pack
from contract.receipts import HeadStatement, sign_head
from contract.session_record import Item, ItemKind, SessionRecordError, read_items
from contract.signers import load_anchor
from contract.signing import Signed
from tests.contract.package_case import STARTED_MS, World, pack_chain, read_files, rewrite_manifest, write_files

SESSION = bytes(range(16, 32))
Files = dict[str, bytes]


class Case:
    """Numbers: 0 opening, 1 and 2 segments, 3 gap, 4 and 5 segments, 6 end."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.world = folder, World()
        self.key = self.world.receipt_key
        self.anchor = load_anchor(self.world.root_der())
        self.sealed: dict[int, bytes] = {}
        self.clear: dict[int, bytes] = {}
        self.signed = self._record()
        self.path = self.export()

    def _record(self) -> list[Signed]:
        state = chain.begin(SESSION, session_record.DOMAIN)
        writer = ChainWriter(state, lambda body: session_record.sign(self.key, body))
        signed = [writer.open_session(session=SESSION.hex(), started_ms=STARTED_MS, monotonic_ms=1000)]
        for place in range(5):
            at_ms = STARTED_MS + place * 5000
            if place == 2:
                signed.append(
                    writer.gap(cause="storage_full", started_ms=at_ms, duration_ms=5000, monotonic_ms=11_000)
                )
                continue
            signed.append(self._seal(writer, at_ms, 1000 + place * 60_000))
        signed.append(writer.final(cause="centre", started_ms=STARTED_MS + 25_000, monotonic_ms=400_000, frames=8))
        return signed

    def _seal(self, writer: ChainWriter, at_ms: int, monotonic_ms: int) -> Signed:
        seq = writer.state.next_seq
        items = [
            Item(ItemKind.FRAME, at_ms * 1000, "dl-2901-01", pack(Type.VIDEO, b"picture %d" % seq * 99, seq=seq)),
            Item(ItemKind.ENTRY, at_ms * 1000, "ordered", json.dumps({"number": seq}).encode()),
        ]
        self.clear[seq] = b"".join(item.pack() for item in items)
        header = segment.SegmentHeader(
            recording_id=SESSION,
            seq=seq,
            salt=hashlib.sha256(b"%d" % seq).digest(),
            started_ms=at_ms,
            monotonic_ms=monotonic_ms,
            duration_ms=5000,
            mime=session_record.MIME,
        )
        self.sealed[seq] = envelope.seal(
            segment.pack_header(header) + self.clear[seq], [self.world.centre.public_key()]
        )
        return writer.segment(
            cipher_hash=hashlib.sha256(self.sealed[seq]).digest(),
            clear_hash=chain.clear_hash(header.salt, self.clear[seq]),
            length=len(self.sealed[seq]),
            started_ms=at_ms,
            duration_ms=5000,
            monotonic_ms=monotonic_ms,
        )

    def export(self) -> Path:
        folder = self.folder / "sealed"
        folder.mkdir()
        for seq, data in self.sealed.items():
            (folder / str(seq)).write_bytes(data)
        source = package.Source(
            chain=self.signed,
            certificates=self.world.root.certificate.public_bytes(Encoding.PEM),
            head=self.head(self.signed),
            trust=self.world.trust(),
            segments={seq: folder / str(seq) for seq in self.sealed},
            is_session=True,
        )
        package.write_package(self.folder / "session.zip", source)
        return self.folder / "session.zip"

    def head(self, signed: list[Signed]) -> bytes:
        statement = HeadStatement(
            recording_id=SESSION,
            count=len(signed),
            head=chain.link_hash(signed[-1]),
            closed=chain.decode(signed[-1].body).kind is chain.Kind.FINAL,
            stated_ms=STARTED_MS + 60_000,
            centre="zhixing-centre",
        )
        return sign_head(self.key, statement)

    def find(self, tamper: Callable[[Files], object]) -> Finding:
        files = read_files(self.path)
        tamper(files)
        path = self.folder / "tampered.zip"
        path.unlink(missing_ok=True)
        judgement = verify.verify_package(write_files(path, files), self.anchor)
        assert judgement.verdict is Verdict.BROKEN
        assert judgement.finding is not None
        return judgement.finding

    def find_in_chain(self, change: Callable[[list[Signed]], object]) -> Finding:
        def tamper(files: Files) -> None:
            signed = list(self.signed)
            change(signed)
            files[package.SESSION_CHAIN] = pack_chain(signed)

        return self.find(tamper)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def seg(number: int) -> str:
    return f"segments/{number:06d}.age"


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


class TestGenuine:
    def test_with_the_root_and_no_key(self, case: Case) -> None:
        judgement = verify.verify_package(case.path, case.anchor)
        assert judgement.verdict is Verdict.GENUINE
        assert (judgement.session, judgement.kit_id) == (SESSION.hex(), None)
        assert (judgement.record_count, judgement.segment_count) == (7, 4)
        assert judgement.root_fingerprint == case.world.fingerprint()

    def test_only_what_is_stated_is_a_gap(self, case: Case) -> None:
        # Between the segments nobody looked for a minute: silence of a session is no hole.
        continuity = verify.verify_package(case.path, case.anchor).continuity
        assert continuity is not None
        assert [(gap.seq, gap.cause) for gap in continuity.gaps] == [(3, "storage_full")]
        assert continuity.end_cause == "centre"

    def test_without_an_anchor_its_signer_is_unproven(self, case: Case) -> None:
        assert verify.verify_package(case.path, None).verdict is Verdict.UNPROVEN

    def test_the_program_says_it_in_both_languages(self, case: Case, capsys: pytest.CaptureFixture[str]) -> None:
        assert verify.main([str(case.path), "--fingerprint", case.world.fingerprint()]) == 0
        said = capsys.readouterr().out
        assert f"远程指挥会话：{SESSION.hex()}" in said
        assert "存储已满" in said
        assert verify.main([str(case.path), "--fingerprint", case.world.fingerprint(), "--lang", "en"]) == 0
        assert "session: " + SESSION.hex() in capsys.readouterr().out


class TestTampered:
    def test_segments(self, case: Case) -> None:
        def swap(files: Files) -> None:
            files[seg(1)], files[seg(4)] = files[seg(4)], files[seg(1)]

        assert case.find(lambda files: files.pop(seg(2))) == Finding("dropped", "segment", "segment_missing", seq=2)
        flipped = case.find(lambda files: files.update({seg(4): flip(files[seg(4)], 300)}))
        assert flipped == Finding("flipped", "segment", "segment_altered", seq=4)
        assert case.find(swap) == Finding("swapped", "segment", "segments_swapped", seq=1, other=4)
        added = case.find(lambda files: files.update({seg(3): files[seg(1)]}))
        assert added == Finding("added", "segment", "segment_without_record", seq=3)

    def test_records(self, case: Case) -> None:
        def alter(signed: list[Signed]) -> None:
            record = replace(chain.decode(signed[3].body), cause="centre")
            signed[3] = Signed(chain.encode(record), signed[3].sig)

        dropped = case.find_in_chain(lambda signed: signed.pop(3))
        assert dropped == Finding("dropped", "chain", "record_dropped", seq=3, other=4)
        assert case.find_in_chain(alter) == Finding("flipped", "chain", "session_record_altered", seq=3)
        cut = case.find_in_chain(lambda signed: signed.pop())
        assert cut == Finding("cut", "chain", "tail_cut", seq=6, other=7)
        repeated = case.find_in_chain(lambda signed: signed.insert(2, signed[1]))
        assert repeated == Finding("added", "chain", "record_repeated", seq=2, other=1)

    def test_files(self, case: Case) -> None:
        for name in (package.SESSION_CHAIN, package.ROOT, package.HEAD, package.TRUST, package.MANIFEST):
            assert case.find(lambda files, name=name: files.pop(name)) == Finding(
                "dropped", "file", "file_missing", name=name
            )
        added = case.find(lambda files: files.update({"more.txt": b"x"}))
        assert added == Finding("added", "file", "file_added", name="more.txt")
        assert case.find(lambda files: files.update({package.ABSENT: b"x"})).code == "file_added"
        other = case.find(lambda files: files.update({package.MANIFEST: b'{"notes": {}}'}))
        assert other.code == "manifest_disagrees"

    def test_a_record_of_a_kit_is_none_of_a_session(self, case: Case) -> None:
        """Signed by the centre's very key, but under another domain or with another opening."""

        def resign(signed: list[Signed]) -> None:
            body = signed[1].body
            signed[1] = Signed(body, case.key.sign(chain.DOMAIN + b"\0" + body))

        assert case.find_in_chain(resign).code == "session_record_altered"

    def test_signed_anew_by_a_stranger(self, case: Case) -> None:
        def resign(files: Files) -> None:
            stranger = Ed25519PrivateKey.generate()
            files[package.SESSION_CHAIN] = pack_chain(
                [Signed(item.body, session_record.sign(stranger, item.body)) for item in case.signed]
            )

        assert case.find(resign).code == "session_record_altered"

    def test_with_an_authority_of_the_strangers_own(self, case: Case) -> None:
        def replace_all(files: Files) -> None:
            other = World()
            case.key = other.receipt_key
            signed = [Signed(item.body, session_record.sign(case.key, item.body)) for item in case.signed]
            # The links name bodies and signatures: a stranger has to write the chain anew as well.
            files[package.ROOT] = other.root.certificate.public_bytes(Encoding.PEM)
            files[package.TRUST] = other.trust()
            files[package.SESSION_CHAIN] = pack_chain(signed)
            files[package.HEAD] = case.head(signed)
            rewrite_manifest(files, signed)

        assert case.find(replace_all) == Finding("foreign", "certificates", "foreign_signer")


class TestOpening:
    def test_items_come_back_as_they_went_in(self, case: Case) -> None:
        clear = envelope.open_bytes(case.sealed[4], [case.world.centre])
        header, rest = segment.split_plaintext(clear)
        items = list(read_items(rest))
        assert header.mime == session_record.MIME
        assert [item.kind for item in items] == [ItemKind.FRAME, ItemKind.ENTRY]
        assert items[0].name == "dl-2901-01"
        assert b"".join(item.pack() for item in items) == rest

    @pytest.mark.parametrize("cut", [1, 10, 16, 40])
    def test_a_cut_segment_is_no_segment(self, case: Case, cut: int) -> None:
        with pytest.raises(SessionRecordError):
            list(read_items(case.clear[1][:-cut]))

    def test_what_is_no_item_is_said(self) -> None:
        wrong_kind = session_record.ITEM.pack(7, 1, 0, 0)
        wrong_name = session_record.ITEM.pack(0, 1, 1, 0) + b"\xff"
        for data in (wrong_kind, wrong_name):
            with pytest.raises(SessionRecordError, match="no item of kind"):
                list(read_items(data))
        with pytest.raises(SessionRecordError, match="longer"):
            Item(ItemKind.FRAME, 1, "x", bytes(session_record.MAX_ITEM_BYTES + 1)).pack()

    def test_debians_age_and_openssl_agree(self, case: Case, tmp_path: Path) -> None:
        """The container opens with `age`, the record's signature holds with `openssl`: nothing of ours is needed."""
        assert shutil.which("age"), "install age and openssl (tests/system_packages.sh)"
        identity, sealed = tmp_path / "identity", tmp_path / "segment.age"
        identity.write_text(envelope.identity_to_text(case.world.centre) + "\n")
        sealed.write_bytes(case.sealed[1])
        opened = subprocess.run(["age", "-d", "-i", identity, sealed], capture_output=True, check=True).stdout
        assert segment.split_plaintext(opened)[1] == case.clear[1]
        (tmp_path / "key.pem").write_bytes(
            case.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )
        (tmp_path / "body").write_bytes(session_record.DOMAIN + b"\0" + case.signed[1].body)
        (tmp_path / "sig").write_bytes(case.signed[1].sig)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin"]
        checked = subprocess.run(
            [*command, "-in", "body", "-sigfile", "sig"], cwd=tmp_path, capture_output=True, check=False
        )
        assert checked.returncode == 0, checked.stderr
