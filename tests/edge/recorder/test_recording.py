import hashlib
import io
import subprocess
import sys

import av
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from contract import chain
from contract.envelope import NoMatchingKeyError, open_bytes
from edge.recorder.moment import Moment
from edge.recorder.recording import Recording, StorageFullError
from edge.recorder.recovery import recover
from edge.recorder.sealer import seal_segment
from edge.spool import open_spool
from tests.fakes.dying_recorder import cut
from tests.fakes.kit import make_kit

RECORDING = "5e" * 16
AT = Moment(1_760_000_000_000, 50_000)


@pytest.fixture
def kit(tmp_path):
    return make_kit(tmp_path / "kit")


@pytest.fixture
def spool(kit):
    with open_spool(kit.folder / "spool.db") as opened:
        yield opened


def begin(kit, spool, recording_id=RECORDING):
    recipients = [kit.centre.public_key(), kit.escrow.public_key()]
    return Recording.begin(spool, recording_id, kit.sign, recipients, kit_id="dl-2901-01", at=AT)


class TestSealing:
    def test_digests_are_those_of_the_file_and_of_salt_and_picture(self, kit, spool):
        recording = begin(kit, spool)
        row = recording.add_segment(cut()[0], fix=None, priority=0)
        sealed = (kit.vault / RECORDING / "000001.age").read_bytes()
        header, picture = kit.open_segment(RECORDING, 1)
        record = kit.read_chain(spool, RECORDING)[1]
        assert record.cipher_hash == hashlib.sha256(sealed).digest() == row.cipher_hash
        assert record.clear_hash == hashlib.sha256(header.salt + picture).digest()
        assert record.length == len(sealed)
        assert picture == cut()[0].data

    def test_both_keys_of_the_trust_list_open_it_and_no_other(self, kit, spool):
        begin(kit, spool).add_segment(cut()[0], fix=None, priority=0)
        sealed = (kit.vault / RECORDING / "000001.age").read_bytes()
        assert open_bytes(sealed, [kit.centre]) == open_bytes(sealed, [kit.escrow])
        stranger = X25519PrivateKey.generate()
        with pytest.raises(NoMatchingKeyError):
            open_bytes(sealed, [stranger])

    @pytest.mark.system
    def test_debians_age_opens_it_and_every_frame_decodes(self, kit, spool, tmp_path):
        clear = cut()[0]
        begin(kit, spool).add_segment(clear, fix=None, priority=0)
        sealed = kit.vault / RECORDING / "000001.age"
        opened = subprocess.run(
            ["age", "--decrypt", "--identity", kit.write_identity(), sealed], capture_output=True, check=True
        ).stdout
        size = int.from_bytes(opened[:4], "big")
        with av.open(io.BytesIO(opened[4 + size :])) as container:
            frames = [frame.pts for frame in container.decode(video=0)]
        assert len(frames) == clear.frames == 25

    def test_no_clear_byte_reaches_the_file(self, kit):
        clear = cut()[0]
        sink = io.BytesIO()
        seal_segment(
            clear,
            sink,
            recording_id=bytes(16),
            seq=1,
            recipients=[kit.centre.public_key()],
            fix={"lat": 25.6, "lon": 100.2},
        )
        for needle in (b"ftyp", b"mdat", b"avc1", b"salt", b"video/mp4"):
            assert needle not in sink.getvalue()

    def test_every_segment_has_its_own_salt(self, kit, spool):
        recording = begin(kit, spool)
        for _ in range(2):
            recording.add_segment(cut()[0], fix=None, priority=0)
        salts = [kit.open_segment(RECORDING, seq)[0].salt for seq in (1, 2)]
        assert salts[0] != salts[1]


class TestStoring:
    def test_the_order_that_a_power_cut_cannot_break(self, kit):
        steps = subprocess.run(
            [sys.executable, "-m", "tests.fakes.dying_recorder", kit.config, RECORDING, "0", "trace"],
            capture_output=True, text=True, check=True,
        ).stdout.splitlines()  # fmt: skip
        assert steps == [
            "commit",
            "fsync vault",
            *(
                step.format(seq)
                for seq in (1, 2, 3)
                for step in (
                    "fsync 00000{}.age.tmp",
                    "fsync 00000{}.rec.tmp",
                    "rename 00000{}.rec",
                    "rename 00000{}.age",
                    f"fsync {RECORDING}",
                    "commit",
                )
            ),
            "commit",
        ]

    def test_a_full_card_leaves_neither_file_nor_hole(self, kit, spool, monkeypatch):
        recording = begin(kit, spool)
        recording.add_segment(cut()[0], fix=None, priority=0)
        failing = Failing(monkeypatch)
        with pytest.raises(StorageFullError):
            recording.add_segment(cut()[1], fix=None, priority=0)
        failing.stop()
        assert sorted(path.name for path in (kit.vault / RECORDING).iterdir()) == ["000001.age", "000001.rec"]
        recording.add_gap("storage_full", started=AT, duration_ms=1000)
        recording.close("storage_full", AT)
        kinds = [record.kind for record in kit.read_chain(spool, RECORDING)]
        assert kinds == [chain.Kind.OPEN, chain.Kind.SEGMENT, chain.Kind.GAP, chain.Kind.FINAL]

    def test_what_a_database_refuses_is_taken_in_by_the_next_process(self, kit, spool):
        recording = begin(kit, spool)
        spool._store.connection.execute(
            "CREATE TEMP TRIGGER refuse BEFORE INSERT ON main.segments BEGIN SELECT RAISE(FAIL, 'no'); END"
        )
        with pytest.raises(Exception, match="no"):
            recording.add_segment(cut()[0], fix=None, priority=0)
        spool._store.connection.execute("DROP TRIGGER refuse")
        assert len(kit.read_chain(spool, RECORDING)) == 1
        whole = (kit.vault / RECORDING / "000001.age").read_bytes()
        assert recover(spool, kit.sign, Moment(AT.wall_ms + 5_000, AT.monotonic_ms + 5_000)).segments == 1
        assert (kit.vault / RECORDING / "000001.age").read_bytes() == whole
        kinds = [record.kind for record in kit.read_chain(spool, RECORDING)]
        assert kinds == [chain.Kind.OPEN, chain.Kind.SEGMENT, chain.Kind.GAP, chain.Kind.FINAL]


class Failing:
    """From now on every fsync says that the card is full."""

    def __init__(self, monkeypatch):
        self._patch = monkeypatch
        monkeypatch.setattr("edge.recorder.durable.os.fsync", self._refuse)

    @staticmethod
    def _refuse(handle):
        raise OSError(28, "No space left on device")

    def stop(self):
        self._patch.undo()
