"""A centre with its keys, an open session, and frames as a relay passes them on; for the tests of its record."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.command import record_queries as queries
from central.command import service
from central.command.models import CommandSession
from central.command.record_files import RecordShelf
from central.courts.permissions import Actor
from central.relay.record import SessionRecorder
from contract import chain, envelope, session_record
from contract.continuity import Gap, state_continuity
from contract.live import Init, Type, pack, pack_init
from contract.session_record import CentreKeys, Item, read_items
from contract.trust import TrustList, sign_trust_list
from tests.central.sync.pki import Pki
from tests.fakes.clocks import FakeClock

KIT = "dl-2901-01"
PERSON = "p:u1"
IDENTITY = X25519PrivateKey.generate()
_PKI: list[Pki] = []


def authority() -> Pki:
    """One authority for all tests of a run."""
    return _PKI[0] if _PKI else _PKI.append(Pki()) or _PKI[0]


def hand_over(settings: Settings) -> None:
    """Write keys and trust list as the device authority does."""
    pki = authority()
    pki.write_centre_keys(Path(settings.keys_dir))
    Path(settings.handover_dir).mkdir(parents=True, exist_ok=True)
    trust = TrustList(
        epoch=1,
        issued_ms=1,
        recipients=[envelope.recipient_to_text(IDENTITY.public_key())],
        receipt_keys=[pki.receipt_key.public_key().public_bytes_raw()],
    )
    (Path(settings.handover_dir) / "trust.cbor").write_bytes(sign_trust_list(pki.root.key, trust))
    (Path(settings.keys_dir) / "centre.age").write_text(envelope.identity_to_text(IDENTITY) + "\n")


def make_settings(folder: Path, **changes: object) -> Settings:
    """Settings of a centre whose folders are in `folder`, keys handed over, no reserve on the disk."""
    folders = {f"{name}_dir": str(folder / name) for name in ("data", "keys", "handover")}
    settings = Settings(**{**folders, "evidence_min_free_bytes": 0, **changes})
    hand_over(settings)
    return settings


def begin(store: Store, kits: list[str], *, court: str = "云29") -> CommandSession:
    """A session on a commander's own motion."""
    actor = Actor("u2", "zhihui", "样例指挥长", "commander", court)
    with store.write() as uow:
        request = service.ask_command(uow, actor, service.Ask(kits, "样例：强制腾退现场", commanding_court=court))
        service.grant_request(uow, actor, request.id, service.Terms())
    with store.write() as uow:
        return service.begin_session(uow, actor, request.id, url="https://relay.test:8445")


def end(store: Store, session_id: str, *, court: str = "云29") -> None:
    """End a session as the commander."""
    actor = Actor("u2", "zhihui", "样例指挥长", "commander", court)
    with store.write() as uow:
        service.end_session(uow, actor, session_id, "样例：行动结束")


def picture(seq: int, at_us: int, *, is_key: bool = False, stream: int = 0, size: int = 400) -> bytes:
    """A frame that holds no picture, for what does not look into it."""
    body = seq.to_bytes(4, "big") * (size // 4)
    return pack(Type.VIDEO, body, flags=int(is_key), stream=stream, seq=seq, time_us=at_us)


@dataclass
class Case:
    """A recorder that is driven by hand, with a clock that stands still."""

    store: Store
    settings: Settings
    clock: FakeClock
    session_id: str
    recorder: SessionRecorder = field(init=False)
    seq: int = 0

    def __post_init__(self) -> None:
        self.recorder = SessionRecorder(self.store, self.settings)

    def relay(self, seconds: float, *, fps: int = 10, source: str = KIT, stream: int = 0) -> None:
        """Relay pictures for so long, the recorder doing what is due."""
        for _ in range(int(seconds * fps)):
            at_us = self.clock.now_ms() * 1000
            message = picture(self.seq, at_us, is_key=self.seq % fps == 0, stream=stream)
            self.recorder.frame(self.session_id, source, message)
            self.seq += 1
            self.clock.advance(ms=1000 // fps)
            self.recorder.turn()

    def turn(self, *, after_ms: int = 6000) -> None:
        """Let time pass and the recorder do what is due."""
        self.clock.advance(ms=after_ms)
        self.recorder.turn()

    def read_chain(self) -> list[chain.Record]:
        """The record's chain, each link checked against the centre's key."""
        keys = CentreKeys([authority().receipt_key.public_key()])
        state = chain.begin(bytes.fromhex(self.session_id), session_record.DOMAIN)
        with self.store.read() as session:
            signed = queries.to_signed(queries.list_links(session, self.session_id))
        records = []
        for item in signed:
            record, state = chain.check_record(item, keys, state)
            records.append(record)
        return records

    def read_items(self) -> list[Item]:
        """Everything in the record, each segment opened and checked."""
        shelf = RecordShelf(Path(self.settings.data_dir))
        items: list[Item] = []
        for record in self.read_chain():
            if record.kind is chain.Kind.SEGMENT:
                assert shelf.holds(self.session_id, record.seq, record.cipher_hash)
                items += read_items(shelf.open_clear(self.session_id, record.seq, IDENTITY, record)[1])
        return items

    def frames(self) -> list[bytes]:
        """The frames in it, as they were relayed."""
        return [item.body for item in self.read_items() if item.kind is session_record.ItemKind.FRAME]

    def gaps(self) -> tuple[Gap, ...]:
        """What it states as missing."""
        return state_continuity(self.read_chain(), with_holes=False).gaps


@pytest.fixture
def case(store: Store, clock: FakeClock, kits: dict[str, object], tmp_path: Path) -> Case:
    return Case(store, make_settings(tmp_path), clock, begin(store, [KIT]).id)


def film(
    seconds: float, *, fps: int = 10, size: tuple[int, int] = (320, 240), codec: str = "libx264"
) -> list[tuple[bytes, bool]]:
    """Real access units with their key flags: a bright field that moves across."""
    coder = av.CodecContext.create(codec, "w")
    coder.width, coder.height = size
    coder.pix_fmt, coder.time_base, coder.framerate = "yuv420p", Fraction(1, fps), Fraction(fps, 1)
    coder.gop_size = fps
    if codec == "libx264":
        coder.options = {"preset": "ultrafast", "tune": "zerolatency"}
    else:
        coder.options = {"deadline": "realtime", "lag-in-frames": "0"}
    units = []
    for number in range(int(seconds * fps)):
        shot = av.VideoFrame(*size, "yuv420p")
        for plane, level in zip(shot.planes, (40 + number % 10 * 20, 128, 128), strict=True):
            shot_bytes = bytes([level]) * plane.buffer_size
            plane.update(shot_bytes)
        shot.pts = number
        units += [(bytes(packet), packet.is_keyframe) for packet in coder.encode(shot)]
    return units


def tone(seconds: float, hertz: int) -> list[bytes]:
    """Opus packets of 20 ms: a tone, encoded for speech as the browsers and kits do."""
    import math
    from array import array

    coder = av.CodecContext.create("libopus", "w")
    coder.sample_rate, coder.layout, coder.format = 48_000, "mono", "s16"
    coder.options = {"application": "voip", "frame_duration": "20"}
    packets: list[bytes] = []
    for number in range(int(seconds * 50)):
        samples = (8000 * math.sin(math.tau * hertz * (number * 960 + at) / 48_000) for at in range(960))
        sound = av.AudioFrame(format="s16", layout="mono", samples=960)
        sound.sample_rate, sound.pts, sound.time_base = 48_000, number * 960, Fraction(1, 48_000)
        data = array("h", (round(sample) for sample in samples)).tobytes()
        sound.planes[0].update(data.ljust(sound.planes[0].buffer_size, b"\0"))
        packets += [bytes(packet) for packet in coder.encode(sound)]
    return packets


def described(codec: str = "avc1.42C01F", *, stream: int = 0) -> bytes:
    """An INIT frame."""
    return pack_init(Init(codec, 320, 240, 10), stream=stream)


class Session:
    """A session of eight seconds with pictures of a kit and a voice, recorded and closed."""

    def __init__(self, store: Store, settings: Settings, clock: FakeClock) -> None:
        hand_over(settings)
        self.id = begin(store, [KIT]).id
        self.recorder = SessionRecorder(store, settings)
        pictures, packets = film(8), tone(8, 440)
        for number, (data, is_key) in enumerate(pictures):
            at_us = clock.now_ms() * 1000
            self.recorder.frame(self.id, KIT, pack(Type.VIDEO, data, flags=int(is_key), seq=number, time_us=at_us))
            for place, packet in enumerate(packets[number * 5 : number * 5 + 5]):
                sound = pack(Type.AUDIO, packet, stream=1, seq=number * 5 + place, time_us=at_us + place * 20_000)
                self.recorder.frame(self.id, PERSON, sound)
            clock.advance(ms=100)
            self.recorder.turn()
        end(store, self.id)
        clock.advance(ms=3000)
        self.recorder.turn()
