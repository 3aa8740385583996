"""A kit whose clock stood still for a year learns the time before it judges its certificate, and waits for a nod."""

import time
from datetime import timedelta

import pytest
from cryptography import x509

from contract.enrolment import parse_token
from edge.enrol import enrol
from edge.reach.identity import Identity
from edge.reach.trusted_time import TrustedTime
from edge.uplink.door import DoorUnreachableError
from edge.uplink.renewal import LOOK_EVERY_S, UNREACHABLE_RETRY_S, Renewer
from provisioning import authority, grace_desk
from tests.fakes.clocks import FakeClock
from tests.provisioning.kit_side import PASSPHRASE, MovingClock, serving

KIT = "dl-2901-01"
YEAR_AGO = timedelta(days=395)


@pytest.fixture
def clock():
    return MovingClock()


@pytest.fixture
def desk(tmp_path, clock):
    return authority.create(
        tmp_path / "authority", centre_folder=tmp_path / "centre", escrow_file=tmp_path / "escrow.age",
        passphrase=PASSPHRASE, hosts=["127.0.0.1"], est_url="https://127.0.0.1:1", clock=clock, work_factor=4,
    )  # fmt: skip


@pytest.fixture
def dark_kit(desk, clock, tmp_path):
    """Enrolled 395 days ago; its own clock stands five days after that."""
    with serving(desk) as server:
        url = f"https://127.0.0.1:{server.port}"
        clock.move(days=-395)
        token = desk.add_kit(KIT, court_code="云2901", label="x", officer="样例警官甲", est_url=url)
        enrol(parse_token(token), tmp_path / "kit")
        clock.move(days=395)
        identity = Identity(tmp_path / "kit")
        stopped_ms = int((clock() - YEAR_AGO + timedelta(days=5)).timestamp() * 1000)
        leaf_begins_ms = int(identity.chain[0].not_valid_before_utc.timestamp() * 1000)
        trusted_time = TrustedTime(leaf_begins_ms, clock_ms=lambda: stopped_ms)
        yield identity, trusted_time, url


def test_by_its_own_clock_nothing_is_due(dark_kit):
    identity, trusted_time, url = dark_kit
    renewer = Renewer(identity, trusted_time, url, is_link_up=lambda: False)
    assert renewer.turn() is False
    assert renewer.trouble == ""


def test_it_asks_the_time_waits_for_a_nod_and_comes_back(dark_kit, desk):
    identity, trusted_time, url = dark_kit
    monotonic = FakeClock()
    renewer = Renewer(
        identity, trusted_time, url,
        ask_time=lambda: trusted_time.learn_now(time.time_ns() // 1_000_000),
        is_link_up=lambda: False,
        monotonic_s=monotonic.monotonic_s,
    )  # fmt: skip
    assert renewer.turn() is False
    assert "grace allow" in renewer.trouble
    told = renewer.describe()
    assert told["until_ms"] == int(identity.chain[0].not_valid_after_utc.timestamp() * 1000)
    assert told["trouble"] == renewer.trouble
    grace_desk.decide_grace(desk, KIT, allow=True)
    monotonic.advance(s=LOOK_EVERY_S)
    assert renewer.turn() is False, "the authority said when to come again"
    monotonic.advance(s=300)
    assert renewer.turn() is True
    (fresh, _) = x509.load_pem_x509_certificates((identity.folder / "device.crt").read_bytes())
    assert fresh.public_key() == identity.key.public_key()
    assert fresh.serial_number != identity.chain[0].serial_number


def test_an_authority_out_of_reach_is_asked_again_before_long(dark_kit):
    identity, trusted_time, _ = dark_kit
    monotonic = FakeClock()

    def ask_time():
        trusted_time.learn_now(time.time_ns() // 1_000_000)
        raise DoorUnreachableError("nobody")

    renewer = Renewer(
        identity, trusted_time, "https://127.0.0.1:9", ask_time=ask_time, is_link_up=lambda: False,
        monotonic_s=monotonic.monotonic_s,
    )  # fmt: skip
    assert renewer.turn() is False
    assert "does not answer" in renewer.trouble
    renewer.trouble = ""
    monotonic.advance(s=UNREACHABLE_RETRY_S)
    assert renewer.turn() is False
    assert "does not answer" in renewer.trouble
