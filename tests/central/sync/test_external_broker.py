"""A broker that the centre does not start: the same admission, the same receipts, over its address and password."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

import msgspec
import pytest

from central.base.bus import broker_credentials
from central.sync.broker import broker_config, broker_secrets, find_program, write_private
from tests.central.sync.conftest import Centre
from tests.central.sync.kit_client import fix_item
from tests.waiting import wait_until

KIT = "dl-2901-01"


@pytest.fixture
def outside(new_centre: Callable[[], Centre]) -> Iterator[Centre]:
    """A centre that is told of a broker; nothing of it runs but that broker."""
    centre = new_centre()
    config = broker_config(centre.settings, broker_credentials(centre.settings), broker_secrets(centre.settings))
    elsewhere = centre.folder / "elsewhere.json"
    write_private(elsewhere, msgspec.json.encode(config))
    with (centre.folder / "centre.toml").open("a") as file:
        file.write(
            f'\nbroker = "external"\nbroker_url = "tls://127.0.0.1:{centre.settings.nats_port}"\n'
            'broker_password_file = "data/broker.password"\nbroker_ca_file = "keys/root.crt"\n'
        )
    with (centre.folder / "elsewhere.log").open("wb") as log:
        broker = subprocess.Popen([find_program(), "-c", str(elsewhere)], stdout=log, stderr=log)
    centre.wait_port(centre.settings.nats_port)
    yield centre
    centre.close_clients()
    broker.kill()
    broker.wait()


def test_kits_are_judged_and_receipted_over_it(outside: Centre) -> None:
    outside.start("intake")
    outside.wait_ready()
    kit = outside.connect(KIT)
    kit.send("position", [fix_item(1)], qos=0)
    kit.wait_receipted(1)
    assert outside.scalar("SELECT count(*) FROM position") == 1
    foreign = outside.connect(KIT, client_id="dl-2901-02", wait=False)
    assert foreign.refused.wait(10)
    assert not foreign.connected.is_set()


def test_a_broker_nobody_vouches_for_gets_nothing(outside: Centre) -> None:
    path = outside.folder / "centre.toml"
    path.write_text(path.read_text().replace("keys/root.crt", "keys/kits-ca.crt"))
    outside.start("intake")
    log = outside.folder / "intake.log"
    wait_until(lambda: "CERTIFICATE_VERIFY_FAILED" in log.read_text(), 20, "the refusal")
    assert "intake: ready" not in log.read_text()
