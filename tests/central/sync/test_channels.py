"""Sealed channels at the intake: whose opening counts, who is told what, and what a conquered zone cannot do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from central.devices.service import KitDirectory
from central.sync.admission import Admission, Gate, RefusedError
from central.sync.channels import Channels
from central.sync.decoding import Reject
from contract.channel import KIND, ChannelError, KitChannel, UnknownChannelError
from contract.names import cmd_subject, up_subject
from contract.signing import sign_p256
from contract.trust import KitEntry, Registry
from tests.central.sync.conftest import Centre
from tests.central.sync.kit_client import BOOT, fix_item
from tests.central.sync.pki import Holder, Pki
from tests.fakes.clocks import FakeClock
from tests.waiting import wait_until

KIT, OTHER = "dl-2901-01", "dl-2901-02"
TEXT = b'{"lat":25.6}'


def open_kit(holder: Holder, centre: X25519PrivateKey, kit_id: str = KIT) -> KitChannel:
    der = holder.cert.public_bytes(Encoding.DER)
    return KitChannel(kit_id, der, centre.public_key(), lambda domain, body: sign_p256(holder.key, domain, body))


@dataclass
class Intake:
    """The centre's side without a broker: what it sends is gathered."""

    pki: Pki = field(default_factory=Pki)
    key: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate)
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    admitted: list[Admission] = field(default_factory=list)
    rejected: list[Reject] = field(default_factory=list)
    directory: KitDirectory = field(default_factory=KitDirectory)
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.kits = {kit_id: self.pki.kit(kit_id) for kit_id in (KIT, OTHER)}
        self.register()
        self.channels = self.make(is_required=True)

    def make(self, *, is_required: bool) -> Channels:
        return Channels(
            Gate(self.pki.kits_ca.cert, self.directory),
            self.key,
            self.clock,
            is_required=is_required,
            on_admitted=self.admitted.append,
            on_reject=self.rejected.append,
            send=lambda subject, payload: self.sent.append((subject, payload)),
        )

    def register(self, *revoked: str) -> None:
        entries = [
            KitEntry(
                kit_id=kit_id,
                court_code="云2901",
                label="",
                officer="",
                serials=[holder.serial],
                revoked_serials=[],
                revoked=kit_id in revoked,
            )
            for kit_id, holder in self.kits.items()
        ]
        self.directory.admit_registered(Registry(epoch=1, issued_ms=1, kits=entries))

    def hear(self, data: bytes, kind: str = "position", kit_id: str = KIT) -> bytes:
        return self.channels.open(up_subject(kit_id, kind), data)


@pytest.fixture
def intake() -> Intake:
    return Intake()


def test_an_opening_lets_the_kit_be_heard_told_and_its_certificate_known(intake: Intake) -> None:
    kit = open_kit(intake.kits[KIT], intake.key)
    assert intake.hear(kit.seal("position", TEXT)) == TEXT
    assert [admission.kit.kit_id for admission in intake.admitted] == [KIT]
    ((subject, answer),) = intake.sent
    assert subject == cmd_subject(KIT, KIND) and kit.open(KIND, answer) is None
    assert intake.hear(kit.seal("position", TEXT)) == TEXT
    assert len(intake.sent) == 1, "short frames need no answer"
    told = intake.channels.seal(cmd_subject(KIT, "directive"), b"order")
    assert told is not None and kit.open("directive", told) == b"order"


def test_without_a_channel_a_kit_inside_two_networks_is_told_nothing(intake: Intake) -> None:
    assert intake.channels.seal(cmd_subject(KIT, "directive"), b"order") is None
    with pytest.raises(ChannelError, match="not sealed"):
        intake.hear(TEXT)


def test_after_a_restart_the_kit_is_asked_once_a_second_to_open_anew(intake: Intake) -> None:
    kit = open_kit(intake.kits[KIT], intake.key)
    intake.hear(kit.seal("beat", b""), "beat")
    kit.open(KIND, intake.sent[-1][1])
    intake.channels = intake.make(is_required=True)
    intake.sent.clear()
    for _ in range(3):
        with pytest.raises(UnknownChannelError):
            intake.hear(kit.seal("position", TEXT))
    assert intake.sent == [(cmd_subject(KIT, KIND), b"")]
    assert kit.open(KIND, b"") is None
    assert intake.hear(kit.seal("position", TEXT)) == TEXT


def test_what_cannot_be_opened_is_handed_over_with_its_reason(intake: Intake) -> None:
    kit = open_kit(intake.kits[KIT], intake.key)
    subject = up_subject(KIT, "position")
    assert intake.channels.hear(subject, kit.seal("position", TEXT)) == TEXT
    assert intake.channels.hear(subject, TEXT) is None
    assert intake.channels.hear(subject, open_kit(Pki().kit(KIT), intake.key).seal("position", TEXT)) is None
    assert [(reject.kit_id, reject.reason) for reject in intake.rejected] == [
        (KIT, "seal_broken"),
        (KIT, "foreign_issuer"),
    ]


def test_nobody_opens_under_anothers_name(intake: Intake) -> None:
    kit = open_kit(intake.kits[KIT], intake.key)
    with pytest.raises(ChannelError, match="name"):
        intake.hear(kit.seal("position", TEXT), kit_id=OTHER)
    liar = open_kit(intake.kits[KIT], intake.key, OTHER)
    with pytest.raises(ChannelError, match="name"):
        intake.hear(liar.seal("position", TEXT), kit_id=OTHER)
    thief = KitChannel(
        KIT,
        intake.kits[KIT].cert.public_bytes(Encoding.DER),  # certificates are public
        intake.key.public_key(),
        lambda domain, body: sign_p256(intake.kits[OTHER].key, domain, body),
    )
    with pytest.raises(ChannelError, match="not signed"):
        intake.hear(thief.seal("position", TEXT))
    assert intake.admitted == []


def test_a_stranger_and_a_revoked_kit_open_nothing(intake: Intake) -> None:
    stranger = Pki().kit(KIT)
    with pytest.raises(RefusedError):
        intake.hear(open_kit(stranger, intake.key).seal("position", TEXT))
    intake.register(KIT)
    with pytest.raises(RefusedError):
        intake.hear(open_kit(intake.kits[KIT], intake.key).seal("position", TEXT))


def test_a_revocation_ends_the_channel_whatever_the_zone_still_lets_through(intake: Intake) -> None:
    kit = open_kit(intake.kits[KIT], intake.key)
    intake.hear(kit.seal("position", TEXT))
    intake.register(KIT)
    intake.channels.forget([KIT])
    with pytest.raises(RefusedError):
        intake.hear(kit.seal("position", TEXT))
    assert intake.channels.seal(cmd_subject(KIT, "directive"), b"order") is None


def test_where_it_is_not_required_open_kits_are_heard_and_told_openly(intake: Intake) -> None:
    channels = intake.make(is_required=False)
    assert not channels.minds_open
    assert channels.open(up_subject(KIT, "position"), TEXT) == TEXT
    assert channels.seal(cmd_subject(KIT, "receipt"), b"r") == b"r"
    kit = open_kit(intake.kits[KIT], intake.key)
    channels.open(up_subject(KIT, "position"), kit.seal("position", TEXT))
    assert channels.minds_open and channels.seal(cmd_subject(KIT, "receipt"), b"r") != b"r"
    channels.open(up_subject(KIT, "position"), TEXT)
    assert channels.seal(cmd_subject(KIT, "receipt"), b"r") == b"r", "the kit was set to speak openly again"


class TestOverABroker:
    """The same with one network: a kit may seal there, too."""

    @pytest.fixture
    def hear(self, centre: Centre) -> Callable[[KitChannel], None]:
        def hear(channel: KitChannel) -> None:
            kit = centre.connect(KIT)
            kit.client.on_message = lambda *_: None  # what comes back is sealed
            item = {"v": 1, "spool": kit.spool, "boot": BOOT, "items": [fix_item(1)]}
            kit.send_raw("position", channel.seal("position", msgspec.json.encode(item)))

        return hear

    def test_a_sealed_fix_is_stored_and_a_changed_one_set_aside(
        self, centre: Centre, hear: Callable[[KitChannel], None]
    ) -> None:
        before = centre.scalar("SELECT count(*) FROM position")
        hear(open_kit(centre.kits[KIT], centre.centre_identity))
        wait_until(lambda: centre.scalar("SELECT count(*) FROM position") == before + 1, 10, "the fix")
        centre.close_clients()
        hear(open_kit(centre.kits[KIT], X25519PrivateKey.generate()))
        rows = centre.wait_set_aside("seal_broken", kit_id=KIT)
        assert "not this centre's" in str(rows[0][2])
