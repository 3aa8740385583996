"""The centre's disk is full, and then it is not: a real broker on a small file system of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import mounting
from tests.central.sync.conftest import Centre
from tests.central.sync.kit_client import fix_item
from tests.waiting import wait_until

KIT = "dl-2901-01"


@pytest.fixture
def small(new_centre: Callable[[], Centre]) -> Iterator[tuple[Centre, Path]]:
    """A centre whose broker keeps its store on 24 MB."""
    centre = new_centre()
    store = centre.folder / "data" / "broker"
    store.mkdir()
    mounting.mount("-t", "tmpfs", "-o", "size=24m", "tmpfs", store)
    yield centre, store
    centre.stop()
    subprocess.run(["umount", "--lazy", store], check=True)


@pytest.mark.system
def test_the_broker_lets_kits_in_again_once_there_is_room(small: tuple[Centre, Path]) -> None:
    centre, store = small
    centre.start_wire()
    kit = centre.connect(KIT)
    kit.send("position", [fix_item(1)], qos=0)
    kit.wait_receipted(1)
    ballast = store / "ballast"
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            os.write(file.fileno(), bytes(4096))
    centre.close_clients()
    log = centre.folder / "broker.log"
    refused = centre.connect(KIT, wait=False)
    wait_until(lambda: "no kit can connect any more" in log.read_text(), 20, "the broker to give its store up")
    assert not refused.connected.is_set()
    broker = centre.processes["broker"]
    ballast.unlink()
    broker.wait(20)  # by itself; whoever supervises it starts it again
    centre.close_clients()
    centre.start("broker")
    centre.wait_port(centre.settings.mqtt_port)
    again = wait_until(lambda: try_again(centre), 30, "the kit to be let in")
    again.send("position", [fix_item(2)], qos=0)
    again.wait_receipted(2)


def try_again(centre: Centre) -> object:
    kit = centre.connect(KIT, wait=False)
    if kit.connected.wait(5):
        return kit
    centre.close_clients()
    return None
