"""Every way to tamper with a package, and the record or segment that the verdict must name."""

import base64
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from contract import chain, verify
from contract.absences import AbsenceStatement, sign_absences
from contract.findings import Finding, Judgement, Verdict
from contract.package import ABSENT, CERTIFICATES, CHAIN, HEAD, MANIFEST, TRUST, PackageError
from contract.signers import Anchor, load_anchor
from contract.signing import Signed
from provisioning.certificates import chain_pem, issue_server_certificate
from tests.contract.package_case import (
    KIT,
    RECORDING,
    STARTED,
    STARTED_MS,
    Recording,
    World,
    export,
    pack_chain,
    read_files,
    record,
    rewrite_manifest,
    write_files,
)

# Numbers of the case: 0 opening, 1-3 segments, 4 gap, 5-9 segments, 10 end.
Files = dict[str, bytes]


class Case:
    """A genuine package in a folder, to be tampered with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = World()
        self.made: Recording = record(self.world)
        self.path = export(folder, self.world, self.made, disclose=(2, 6))
        self.anchor: Anchor = load_anchor(self.world.root_der())

    def judge(self, files: Files, anchor: Anchor | None) -> Judgement:
        path = self.folder / "tampered.zip"
        path.unlink(missing_ok=True)
        return verify.verify_package(write_files(path, files), anchor)

    def judge_tampered(self, tamper: Callable[[Files], object]) -> Judgement:
        """The verdict must be the same with an anchor and without one."""
        files = read_files(self.path)
        tamper(files)
        anchored, unanchored = self.judge(files, self.anchor), self.judge(files, None)
        assert anchored == unanchored
        assert anchored.verdict is Verdict.BROKEN
        return anchored

    def find(self, tamper: Callable[[Files], object]) -> Finding:
        finding = self.judge_tampered(tamper).finding
        assert finding is not None
        return finding

    def find_in_chain(self, change: Callable[[list[Signed]], object]) -> Finding:
        """Tamper with the chain as a careful forger would, manifest and all."""

        def tamper(files: Files) -> None:
            signed = list(self.made.signed)
            change(signed)
            files[CHAIN] = pack_chain(signed)

        return self.find(tamper)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


def to_pem(der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"


def seg(number: int) -> str:
    return f"segments/{number:06d}.age"


class TestGenuine:
    def test_is_genuine_with_the_anchor(self, case: Case) -> None:
        judgement = verify.verify_package(case.path, case.anchor)
        assert judgement.verdict is Verdict.GENUINE
        assert (judgement.kit_id, judgement.recording_id) == (KIT, RECORDING.hex())
        assert (judgement.record_count, judgement.segment_count, judgement.disclosed) == (11, 8, (2, 6))
        assert judgement.root_fingerprint == case.world.fingerprint()
        assert judgement.remarks == ()

    def test_is_unproven_without_an_anchor(self, case: Case) -> None:
        assert verify.verify_package(case.path, None).verdict is Verdict.UNPROVEN

    def test_root_need_not_travel_along(self, case: Case) -> None:
        files = read_files(case.path) | {CERTIFICATES: case.world.certificates(with_root=False)}
        assert case.judge(files, case.anchor).verdict is Verdict.GENUINE
        alone = case.judge(files, None)
        assert (alone.verdict, alone.remarks) == (Verdict.UNPROVEN, ("no_root",))

    def test_repacked_by_a_zip_program_stays_genuine(self, case: Case) -> None:
        assert case.judge(read_files(case.path), case.anchor).verdict is Verdict.GENUINE

    def test_open_end_is_said(self, case: Case, tmp_path: Path) -> None:
        path = export(tmp_path, case.world, record(case.world, closed=False), name="open.zip")
        judgement = verify.verify_package(path, case.anchor)
        assert judgement.verdict is Verdict.GENUINE
        assert judgement.continuity is not None
        assert judgement.continuity.end_cause is None

    def test_gap_is_said_with_its_cause(self, case: Case) -> None:
        continuity = verify.verify_package(case.path, case.anchor).continuity
        assert continuity is not None
        assert [(gap.seq, gap.cause, gap.duration_ms) for gap in continuity.gaps] == [(4, "power_loss", 7000)]
        assert (continuity.recorded_ms, continuity.ended_ms - continuity.started_ms) == (16_000, 23_000)


class TestSegments:
    @pytest.mark.parametrize("number", [1, 5, 9])
    def test_dropped(self, case: Case, number: int) -> None:
        assert case.find(lambda files: files.pop(seg(number))) == Finding(
            "dropped", "segment", "segment_missing", seq=number
        )

    def test_swapped(self, case: Case) -> None:
        def swap(files: Files) -> None:
            files[seg(3)], files[seg(5)] = files[seg(5)], files[seg(3)]

        assert case.find(swap) == Finding("swapped", "segment", "segments_swapped", seq=3, other=5)

    def test_cut(self, case: Case) -> None:
        finding = case.find(lambda files: files.update({seg(6): files[seg(6)][:-9]}))
        assert finding == Finding("cut", "segment", "segment_cut", seq=6, other=9)

    def test_emptied(self, case: Case) -> None:
        size = len(case.made.sealed[6])
        finding = case.find(lambda files: files.update({seg(6): b""}))
        assert finding == Finding("cut", "segment", "segment_cut", seq=6, other=size)

    @pytest.mark.parametrize("at", [0, 700, -1])
    def test_flipped(self, case: Case, at: int) -> None:
        place = at % len(case.made.sealed[7])
        finding = case.find(lambda files: files.update({seg(7): flip(files[seg(7)], place)}))
        assert finding == Finding("flipped", "segment", "segment_altered", seq=7)

    def test_lengthened(self, case: Case) -> None:
        finding = case.find(lambda files: files.update({seg(8): files[seg(8)] + b"more"}))
        assert finding == Finding("added", "segment", "segment_longer", seq=8, other=4)

    @pytest.mark.parametrize("number", [4, 11, 999_999])
    def test_added(self, case: Case, number: int) -> None:
        finding = case.find(lambda files: files.update({seg(number): files[seg(1)]}))
        assert finding == Finding("added", "segment", "segment_without_record", seq=number)

    def test_the_first_of_several_is_named(self, case: Case) -> None:
        def tamper(files: Files) -> None:
            files.pop(seg(8))
            files[seg(2)] = flip(files[seg(2)], 3)
            files[seg(5)] = files[seg(5)][:-1]

        assert case.find(tamper).seq == 2


class TestChain:
    @pytest.mark.parametrize("number", [0, 1, 4, 9])
    def test_record_dropped(self, case: Case, number: int) -> None:
        finding = case.find_in_chain(lambda signed: signed.pop(number))
        assert finding == Finding("dropped", "chain", "record_dropped", seq=number, other=number + 1)

    def test_record_and_segment_dropped_together(self, case: Case) -> None:
        def tamper(files: Files) -> None:
            signed = [item for number, item in enumerate(case.made.signed) if number != 5]
            files[CHAIN] = pack_chain(signed)
            files.pop(seg(5))
            rewrite_manifest(files, signed)

        assert case.find(tamper) == Finding("dropped", "chain", "record_dropped", seq=5, other=6)

    def test_records_swapped(self, case: Case) -> None:
        def swap(signed: list[Signed]) -> None:
            signed[5], signed[7] = signed[7], signed[5]

        assert case.find_in_chain(swap) == Finding("swapped", "chain", "records_swapped", seq=5, other=7)

    @pytest.mark.parametrize("part", [0, 1])
    @pytest.mark.parametrize("number", [0, 6, 10])
    def test_record_flipped(self, case: Case, number: int, part: int) -> None:
        def change(signed: list[Signed]) -> None:
            parts = list(signed[number])
            parts[part] = flip(parts[part], 20)
            signed[number] = Signed(*parts)

        assert case.find_in_chain(change) == Finding("flipped", "chain", "record_altered", seq=number)

    def test_record_repeated(self, case: Case) -> None:
        finding = case.find_in_chain(lambda signed: signed.insert(6, signed[5]))
        assert finding == Finding("added", "chain", "record_repeated", seq=6, other=5)

    def test_forged_record_put_in(self, case: Case) -> None:
        stranger = record(World())
        finding = case.find_in_chain(lambda signed: signed.insert(6, stranger.signed[6]))
        assert finding == Finding("added", "chain", "forged_record", seq=6)

    def test_record_of_another_recording_put_in(self, case: Case) -> None:
        other = record(case.world, recording_id=bytes(16))
        inserted = case.find_in_chain(lambda signed: signed.insert(3, other.signed[3]))
        assert inserted == Finding("added", "chain", "other_recording", seq=3)
        replaced = case.find_in_chain(lambda signed: signed.__setitem__(3, other.signed[3]))
        assert replaced == Finding("swapped", "chain", "other_recording", seq=3)

    def test_record_of_a_second_take_spliced_in(self, case: Case) -> None:
        # The same kit, recording and number, but a branch of its own.
        take = record(case.world)
        assert case.find_in_chain(lambda signed: signed.__setitem__(5, take.signed[5])) == Finding(
            "swapped", "chain", "other_branch", seq=5
        )

    def test_record_after_the_end(self, case: Case) -> None:
        finding = case.find_in_chain(lambda signed: signed.append(signed[5]))
        assert finding == Finding("added", "chain", "after_end", seq=11)

    @pytest.mark.parametrize("kept", [10, 7, 1])
    def test_tail_cut(self, case: Case, kept: int) -> None:
        def tamper(files: Files) -> None:
            signed = case.made.signed[:kept]
            files[CHAIN] = pack_chain(signed)
            for number in range(kept, 11):
                for name in (seg(number), f"disclosure/{number:06d}.mp4", f"disclosure/{number:06d}.salt"):
                    files.pop(name, None)
            rewrite_manifest(files, signed)

        assert case.find(tamper) == Finding("cut", "chain", "tail_cut", seq=kept, other=11)

    def test_tail_cut_with_an_older_statement_is_an_open_end(self, case: Case) -> None:
        # The centre did once state this; what can be said is that the end is open.
        files = read_files(case.path)
        signed = case.made.signed[:7]
        files[CHAIN], files[HEAD] = pack_chain(signed), case.world.head(signed)
        for number in (7, 8, 9):
            files.pop(seg(number))
        rewrite_manifest(files, signed)
        judgement = case.judge(files, case.anchor)
        assert judgement.verdict is Verdict.GENUINE
        assert judgement.continuity is not None
        assert judgement.continuity.end_cause is None

    def test_records_beyond_the_statement(self, case: Case) -> None:
        finding = case.find(lambda files: files.update({HEAD: case.world.head(case.made.signed[:9])}))
        assert finding == Finding("added", "chain", "beyond_head", seq=9, other=9)

    def test_another_end_than_stated(self, case: Case) -> None:
        head = case.world.head(record(case.world).signed)
        assert case.find(lambda files: files.update({HEAD: head})) == Finding("swapped", "head", "other_head", seq=10)

    def test_count_of_records_flipped(self, case: Case) -> None:
        finding = case.find(lambda files: files.update({CHAIN: flip(files[CHAIN], 0)}))
        assert finding == Finding("flipped", "chain", "chain_unreadable")

    def test_flip_anywhere_in_the_chain_names_its_record(self, case: Case) -> None:
        files = read_files(case.path)
        data = files[CHAIN]
        # Where each record begins: after the array's one-byte head.
        starts, at = [], 1
        for item in case.made.signed:
            starts.append(at)
            at += len(pack_chain([item])) - 1
        assert at == len(data)
        for place in range(1, len(data), 13):
            judgement = case.judge(files | {CHAIN: flip(data, place)}, case.anchor)
            number = max(index for index, start in enumerate(starts) if start <= place)
            assert judgement.verdict is Verdict.BROKEN
            assert judgement.finding is not None
            assert judgement.finding.seq == number, place


class TestDisclosure:
    def test_picture_flipped(self, case: Case) -> None:
        name = "disclosure/000006.mp4"
        finding = case.find(lambda files: files.update({name: flip(files[name], 500)}))
        assert finding == Finding("flipped", "disclosure", "disclosure_altered", seq=6)

    def test_salt_of_another(self, case: Case) -> None:
        finding = case.find(lambda files: files.update({"disclosure/000002.salt": files["disclosure/000006.salt"]}))
        assert finding == Finding("flipped", "disclosure", "disclosure_altered", seq=2)

    @pytest.mark.parametrize("part", ["mp4", "salt"])
    def test_one_half_dropped(self, case: Case, part: str) -> None:
        finding = case.find(lambda files: files.pop(f"disclosure/000006.{part}"))
        assert finding == Finding("dropped", "disclosure", "disclosure_incomplete", seq=6)

    @pytest.mark.parametrize("number", [4, 77])
    def test_added(self, case: Case, number: int) -> None:
        def tamper(files: Files) -> None:
            for part in ("mp4", "salt"):
                files[f"disclosure/{number:06d}.{part}"] = files[f"disclosure/000002.{part}"]

        assert case.find(tamper) == Finding("added", "disclosure", "disclosure_without_record", seq=number)


class TestFiles:
    @pytest.mark.parametrize("name", [CHAIN, CERTIFICATES, HEAD, TRUST, MANIFEST])
    def test_missing(self, case: Case, name: str) -> None:
        assert case.find(lambda files: files.pop(name)) == Finding("dropped", "file", "file_missing", name=name)

    def test_added(self, case: Case) -> None:
        finding = case.find(lambda files: files.update({"confession.txt": b"I did it"}))
        assert finding == Finding("added", "file", "file_added", name="confession.txt")

    @pytest.mark.parametrize(
        ("old", "new"),
        [(b'"kit_id": "dl-2901-01"', b'"kit_id": "dl-2901-02"'), (b'"closed": true', b'"closed": false')],
    )
    def test_manifest_says_something_else(self, case: Case, old: bytes, new: bytes) -> None:
        def tamper(files: Files) -> None:
            assert old in files[MANIFEST]
            files[MANIFEST] = files[MANIFEST].replace(old, new)

        finding = case.find(tamper)
        assert finding == Finding("altered", "manifest", "manifest_disagrees", name=MANIFEST)

    @pytest.mark.parametrize("data", [b"", b"[1]", b"\xff", b"[" * 100_000, b'{"notes": {"a": 1}}'])
    def test_manifest_is_nonsense(self, case: Case, data: bytes) -> None:
        assert case.find(lambda files: files.update({MANIFEST: data})).code == "manifest_disagrees"

    @pytest.mark.parametrize("data", [b"", b"\x80", b"\x81\x80", b"\xff" * 9])
    def test_chain_is_nonsense(self, case: Case, data: bytes) -> None:
        assert case.find(lambda files: files.update({CHAIN: data})).seq == 0

    @pytest.mark.parametrize("name", [CERTIFICATES, HEAD, TRUST, MANIFEST])
    def test_byte_flipped_in_place(self, case: Case, name: str) -> None:
        raw = bytearray(case.path.read_bytes())
        place = raw.index(read_files(case.path)[name]) + 60
        raw[place] ^= 1
        case.path.write_bytes(raw)
        judgement = verify.verify_package(case.path, case.anchor)
        assert judgement.finding == Finding("flipped", "file", "file_damaged", name=name)


class TestSigners:
    """A package signed anew by a stranger must never read as genuine."""

    def test_signed_anew_with_an_authority_of_the_strangers_own(self, case: Case, tmp_path: Path) -> None:
        stranger = World()
        path = export(tmp_path, stranger, record(stranger), name="forged.zip")
        anchored = verify.verify_package(path, case.anchor)
        assert anchored.verdict is Verdict.BROKEN
        assert anchored.finding == Finding("foreign", "certificates", "foreign_signer")
        by_fingerprint = verify.verify_package(path, Anchor(case.anchor.fingerprint))
        assert by_fingerprint.finding == anchored.finding
        assert verify.verify_package(path, None).verdict is Verdict.UNPROVEN

    def test_strangers_kit_under_the_genuine_root_certificate(self, case: Case, tmp_path: Path) -> None:
        stranger = World()
        path = export(tmp_path, stranger, record(stranger), name="forged.zip")
        files = read_files(path)
        files[CERTIFICATES] = chain_pem(
            stranger.certificate, stranger.kits_ca.certificate, case.world.root.certificate
        )
        assert case.judge(files, case.anchor).verdict is Verdict.BROKEN
        assert case.judge(files, None).verdict is Verdict.BROKEN

    def test_strangers_key_under_the_genuine_certificates(self, case: Case, tmp_path: Path) -> None:
        stranger = World()
        path = export(tmp_path, stranger, record(stranger), name="forged.zip")
        files = read_files(path) | {name: read_files(case.path)[name] for name in (CERTIFICATES, HEAD, TRUST)}
        judgement = case.judge(files, case.anchor)
        assert judgement.finding == Finding("flipped", "chain", "record_altered", seq=0)

    def test_genuine_chain_with_a_strangers_centre(self, case: Case) -> None:
        stranger = World()
        finding = case.find(lambda files: files.update({HEAD: stranger.head(case.made.signed)}))
        assert finding == Finding("foreign", "head", "head_foreign")
        finding = case.find(
            lambda files: files.update({HEAD: stranger.head(case.made.signed), TRUST: stranger.trust()})
        )
        assert finding == Finding("foreign", "trust", "trust_foreign")

    def test_another_kit_of_the_same_authority(self, case: Case, tmp_path: Path) -> None:
        # A second genuine kit records the same id; the centre never stated this chain.
        other = World(kit_id="dl-2901-02")
        other.root, other.kits_ca = case.world.root, case.world.kits_ca
        from provisioning.certificates import KIT_LIFE, issue_kit_certificate

        other.certificate = issue_kit_certificate(
            case.world.kits_ca,
            "dl-2901-02",
            other.device.public_key(),
            now=STARTED - timedelta(days=3),
            life=KIT_LIFE,
        )
        files = read_files(export(tmp_path, other, record(other), name="other.zip"))
        files |= {name: read_files(case.path)[name] for name in (HEAD, TRUST)}
        assert case.judge(files, case.anchor).finding == Finding("swapped", "head", "other_head", seq=10)

    def test_recording_names_another_kit(self, case: Case, tmp_path: Path) -> None:
        case.world.kit_id = "dl-2901-09"
        path = export(tmp_path, case.world, record(case.world), name="named.zip")
        judgement = verify.verify_package(path, case.anchor)
        assert judgement.finding == Finding("foreign", "certificates", "other_kit", seq=0, name="dl-2901-09")

    def test_certificate_of_a_server(self, case: Case) -> None:
        certificate = issue_server_certificate(
            case.world.kits_ca, ["centre"], case.world.device.public_key(), now=STARTED
        )
        pem = chain_pem(certificate, case.world.kits_ca.certificate, case.world.root.certificate)
        judgement = case.judge_tampered(lambda files: files.update({CERTIFICATES: pem}))
        assert judgement.finding is not None
        assert judgement.finding.where == "certificates"

    @pytest.mark.parametrize("pem", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
    def test_certificates_unreadable(self, case: Case, pem: bytes) -> None:
        finding = case.find(lambda files: files.update({CERTIFICATES: pem}))
        assert finding == Finding("altered", "certificates", "certificates_unreadable")

    def test_every_flipped_byte_of_the_certificates_is_answered(self, case: Case) -> None:
        # Re-wrapped in PEM and with a fitting CRC, so that only the certificates' own check is left.
        certificates = [case.world.certificate, case.world.kits_ca.certificate, case.world.root.certificate]
        ders = [certificate.public_bytes(Encoding.DER) for certificate in certificates]
        files = read_files(case.path)
        for index in (0, 1):
            for place in range(0, len(ders[index]), 7):
                changed = [*ders[:index], flip(ders[index], place), *ders[index + 1 :]]
                pem = b"".join(to_pem(der) for der in changed)
                assert case.judge(files | {CERTIFICATES: pem}, case.anchor).verdict is Verdict.BROKEN, place

    @pytest.mark.parametrize(("name", "code"), [(HEAD, "head_unreadable"), (TRUST, "trust_unreadable")])
    def test_statements_unreadable(self, case: Case, name: str, code: str) -> None:
        assert case.find(lambda files: files.update({name: b"\x82\x00"})).code == code


class TestHostileStrangers:
    """Everything may be signed by a stranger; without an anchor their values are all that stands there."""

    @pytest.mark.parametrize("stated_ms", [10**18, -(10**18), 2**63])
    def test_times_beyond_every_calendar(self, tmp_path: Path, stated_ms: int) -> None:
        world = World()
        made = record(world, started_ms=0)
        files = read_files(export(tmp_path, world, made))
        files[HEAD] = world.head(made.signed, stated_ms=stated_ms)
        judgement = verify.verify_package(write_files(tmp_path / "x.zip", files), None)
        assert judgement.finding == Finding("foreign", "certificates", "certificate_not_valid")

    @pytest.mark.parametrize("body", [b"\xa0", b"\x01", b"\xa1aaaa"])
    def test_trust_list_that_is_none(self, tmp_path: Path, body: bytes) -> None:
        world = World()
        files = read_files(export(tmp_path, world, record(world)))
        files[CERTIFICATES] = world.certificates(with_root=False)
        files[TRUST] = Signed(body, bytes(64)).pack()
        judgement = verify.verify_package(write_files(tmp_path / "x.zip", files), None)
        assert judgement.finding == Finding("altered", "trust", "trust_unreadable")

    def test_names_cannot_drive_the_terminal(self, tmp_path: Path) -> None:
        world = World()
        world.kit_id = "\x1b]0;genuine\x07\x1b[2J"
        path = export(tmp_path, world, record(world))
        judgement = verify.verify_package(path, None)
        assert judgement.finding is not None
        assert judgement.finding.code == "other_kit"
        assert not {"\x1b", "\x07"} & set("".join(verify.write_lines(judgement, "zh")))


class TestAbsences:
    """Segments that never reached the centre: lost with their kit, and said so under its signature."""

    def state(self, case: Case, *absent: int, key: object = None, **changes: object) -> bytes:
        statement = AbsenceStatement(
            recording_id=RECORDING,
            head=chain.link_hash(case.made.signed[-1]),
            absent=absent,
            stated_ms=STARTED_MS,
            centre="云2901",
        )
        return sign_absences(key or case.world.receipt_key, replace(statement, **changes))

    def lose(self, case: Case, *numbers: int) -> Files:
        files = read_files(case.path)
        for number in numbers:
            files.pop(seg(number))
        return files

    def test_stated_absence_is_genuine_and_said(self, case: Case) -> None:
        files = self.lose(case, 7, 8) | {ABSENT: self.state(case, 7, 8)}
        judgement = case.judge(files, case.anchor)
        assert (judgement.verdict, judgement.absent) == (Verdict.GENUINE, (7, 8))
        assert any("7, 8" in line for line in verify.write_lines(judgement, "zh"))

    def test_the_writer_carries_the_statement(self, case: Case, tmp_path: Path) -> None:
        case.made.sealed.pop(7)
        path = export(tmp_path, case.world, case.made, name="lossy.zip", absences=self.state(case, 7))
        judgement = verify.verify_package(path, case.anchor)
        assert (judgement.verdict, judgement.absent) == (Verdict.GENUINE, (7,))

    def test_more_dropped_than_stated(self, case: Case) -> None:
        files = self.lose(case, 7, 8) | {ABSENT: self.state(case, 8)}
        assert case.judge(files, case.anchor).finding == Finding("dropped", "segment", "segment_missing", seq=7)

    def test_what_is_there_is_checked_all_the_same(self, case: Case) -> None:
        files = read_files(case.path) | {ABSENT: self.state(case, 7)}
        files[seg(7)] = flip(files[seg(7)], 9)
        assert case.judge(files, case.anchor).finding == Finding("flipped", "segment", "segment_altered", seq=7)

    def test_statement_of_a_stranger(self, case: Case) -> None:
        files = self.lose(case, 7) | {ABSENT: self.state(case, 7, key=World().receipt_key)}
        assert case.judge(files, case.anchor).finding == Finding("foreign", "absences", "absences_foreign")

    @pytest.mark.parametrize("changes", [{"recording_id": bytes(16)}, {"head": bytes(32)}])
    def test_statement_about_another_chain(self, case: Case, changes: dict[str, bytes]) -> None:
        files = self.lose(case, 7) | {ABSENT: self.state(case, 7, **changes)}
        assert case.judge(files, case.anchor).finding == Finding("foreign", "absences", "absences_of_another")

    @pytest.mark.parametrize("body", [b"\xa0", b"\x01", b""])
    def test_unreadable(self, case: Case, body: bytes) -> None:
        from contract.absences import DOMAIN
        from contract.signing import sign_ed25519

        data = Signed(body, sign_ed25519(case.world.receipt_key, DOMAIN, body)).pack()
        for absences in (data, b"nonsense"):
            finding = case.judge(self.lose(case, 7) | {ABSENT: absences}, case.anchor).finding
            assert finding == Finding("altered", "absences", "absences_unreadable")


class TestTimes:
    def test_expired_long_before_the_recording(self, tmp_path: Path) -> None:
        world = World(now=STARTED - timedelta(days=500))
        path = export(tmp_path, world, record(world))
        judgement = verify.verify_package(path, load_anchor(world.root_der()))
        assert judgement.finding == Finding("foreign", "certificates", "certificate_not_valid")

    def test_expired_since_is_still_genuine(self, tmp_path: Path) -> None:
        # Checked years later, and the head stated long after the certificate ended.
        world = World()
        made = record(world)
        files = read_files(export(tmp_path, world, made))
        files[HEAD] = world.head(made.signed, stated_ms=STARTED_MS + 5 * 365 * 86_400_000)
        path = write_files(tmp_path / "late.zip", files)
        assert verify.verify_package(path, load_anchor(world.root_der())).verdict is Verdict.GENUINE

    def test_kit_clock_wrong_by_years_is_remarked(self, tmp_path: Path) -> None:
        world = World()
        path = export(tmp_path, world, record(world, started_ms=86_400_000))
        judgement = verify.verify_package(path, load_anchor(world.root_der()))
        assert (judgement.verdict, judgement.remarks) == (Verdict.GENUINE, ("kit_clock_off",))


class TestCommand:
    """The command itself, in a process of its own."""

    @pytest.fixture
    def root_file(self, case: Case) -> Path:
        path = case.folder / "root.crt"
        path.write_bytes(case.world.root.certificate.public_bytes(Encoding.PEM))
        return path

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "contract.verify", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def test_genuine(self, case: Case, root_file: Path) -> None:
        done = self.run(case.path, "--anchor", root_file)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[0] == "结论：真实完整"
        assert "断电" in done.stdout
        by_fingerprint = self.run(case.path, "--fingerprint", case.world.fingerprint().upper(), "--lang", "en")
        assert by_fingerprint.returncode == 0
        assert by_fingerprint.stdout.splitlines()[0] == "verdict: genuine"

    def test_unproven(self, case: Case) -> None:
        done = self.run(case.path, "--lang", "en")
        assert done.returncode == 3
        assert done.stdout.splitlines()[0] == "verdict: intact, signer unproven"

    def test_broken_as_json(self, case: Case, root_file: Path) -> None:
        files = read_files(case.path)
        files.pop(seg(5))
        path = write_files(case.folder / "broken.zip", files)
        done = self.run(path, "--anchor", root_file, "--json", "--lang", "en")
        answer = json.loads(done.stdout)
        assert done.returncode == 1
        assert answer["verdict"] == "broken"
        assert (answer["finding"]["what"], answer["finding"]["seq"]) == ("dropped", 5)
        assert answer["finding"]["sentence"].startswith("segment 5 ")

    def test_unusable_input(self, case: Case, root_file: Path, tmp_path: Path) -> None:
        nonsense = tmp_path / "nonsense"
        nonsense.write_bytes(b"no package at all" * 20)
        for arguments in (
            (nonsense,),
            (tmp_path / "absent.zip",),
            (tmp_path,),
            (case.path, "--anchor", nonsense),
            (case.path, "--fingerprint", "abc"),
            (case.path, "--frobnicate"),
            (case.path, "--anchor", root_file, "--fingerprint", "00" * 32),
            (),
        ):
            done = self.run(*arguments)
            assert done.returncode == 2, arguments
            assert done.stdout == ""
            assert len(done.stderr.splitlines()) == 1, done.stderr

    def test_truncated_package_is_unusable(self, case: Case) -> None:
        data = case.path.read_bytes()
        for size in (0, 10, len(data) // 2, len(data) - 1):
            case.path.write_bytes(data[:size])
            assert self.run(case.path).returncode == 2

    def test_needs_no_network(self, case: Case, root_file: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-c", _NO_NETWORK, case.path, "--anchor", root_file],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        with_network = _NO_NETWORK.replace("sys.exit(", "import socket; socket.socket(); sys.exit(")
        refused = subprocess.run(
            [sys.executable, "-c", with_network, case.path], check=False, capture_output=True, text=True
        )
        assert "the network was asked for" in refused.stderr


def test_no_flipped_byte_of_the_file_passes(case: Case) -> None:
    data = case.path.read_bytes()
    content = read_files(case.path)
    unnoticed = 0
    for place in range(0, len(data), 83):
        case.path.write_bytes(flip(data, place))
        try:
            judgement = verify.verify_package(case.path, case.anchor)
        except PackageError:
            continue
        if judgement.verdict is Verdict.GENUINE:
            # Only what carries no meaning may go unnoticed: dates and attributes of the zip itself.
            unnoticed += 1
            with zipfile.ZipFile(case.path) as opened:
                assert {name: opened.read(name) for name in opened.namelist()} == content, place
    assert unnoticed < 20


def test_stands_alone() -> None:
    code = (
        "import sys, contract.verify\n"
        "print(*{name.partition('.')[0] for name in sys.modules if not name.startswith('_')}"
        " - set(sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", _WITH_PATH + code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"contract", "cryptography", "cbor2", "msgspec", "typing_extensions"}


# Without site packages' start-up files, which load modules of their own.
_WITH_PATH = f"import sys; sys.path += {sys.path!r}\n"
_NO_NETWORK = """
import sys

def refuse(event, _arguments):
    if event.startswith("socket."):
        raise SystemExit("the network was asked for: " + event)

sys.addaudithook(refuse)
from contract import verify
sys.exit(verify.main(sys.argv[1:]))
"""


def test_every_finding_has_words() -> None:
    from contract import phrases

    sources = ("judgement.py", "session_judgement.py", "walking.py", "signers.py")
    source = "".join(Path(verify.__file__).with_name(name).read_text() for name in sources)
    unsaid = [code for code in phrases.FINDINGS if f'"{code}"' not in source]
    assert unsaid == []
    for cause in chain.CAUSES:
        assert cause in phrases.CAUSES
