"""An SOS on a card that takes nothing any more: it reaches the centre from memory, and the officer feels that it did.

The stand-in is the card alone (`tests.fakes.bad_card`); control process, broker and panel are real.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract import messages
from edge.options import PanelSettings
from edge.panel.feedback import NoOutputs
from edge.panel.gestures import Act
from edge.panel.keepsake import Keepsake
from edge.panel.panel import Panel
from edge.spool import Doorbell, open_spool
from edge.uplink.unstored import UnstoredSos
from tests.fakes.bad_card import BadCard
from tests.fakes.small_authority import SmallAuthority
from tests.fakes.small_broker import SmallBroker, find_free_port
from tests.fakes.small_centre import SmallCentre
from tests.waiting import wait_until

KIT = "dl-2901-01"


@pytest.fixture
def card(tmp_path: Path) -> Iterator[BadCard]:
    card = BadCard(tmp_path / "bad", options="errors=remount-ro")
    yield card
    card.close()


@pytest.fixture
def folder(card: BadCard, kit_dir: Path, broker: SmallBroker) -> Path:
    folder = card.folder / "kit"
    shutil.copytree(kit_dir, folder)
    (folder / "kit.toml").write_text(
        f'[kit]\nid = "{KIT}"\nhealth_interval_s = 1\n'
        f'[mqtt]\nhost = "localhost"\nport = {broker.mqtt_port}\n'
        f'[door]\nurl = "https://localhost:{find_free_port()}"\n[position]\nsource = "none"\n'
    )
    return folder


@pytest.mark.system
def test_it_reaches_the_centre_from_memory_and_the_officer_feels_it(
    card: BadCard, folder: Path, world: SmallAuthority, broker: SmallBroker
) -> None:
    centre = SmallCentre(broker.mqtt_port, world.enrol("centre"), KIT)
    process = subprocess.Popen([sys.executable, "-m", "edge.uplink.main", "--config", str(folder / "kit.toml")])
    spool = open_spool(folder / "spool.db")
    bell = Doorbell(folder, "panel")
    panel = Panel(spool, PanelSettings(), NoOutputs())
    try:
        centre.wait_for("health", 1)
        card.fail()
        wait_until(lambda: refuses(folder), 30, "the card to refuse")
        told = panel.perform(Act.SOS, by="button")
        assert told["code"] == "card"
        (alarm,) = {alarm.alarm_id: alarm for alarm in centre_alarms(centre, 1)}.values()
        assert alarm.kind == "sos"
        assert "from memory" in alarm.note
        assert heard_by(panel, bell), "the receipt is felt"
        assert process.poll() is None
        assert spool.outbox.count(["alarm"]) == 0
    finally:
        Keepsake(folder).drop()
        process.kill()
        process.wait(10)
        bell.close()
        spool.close()
        centre.close()


def refuses(folder: Path) -> bool:
    try:
        handle = os.open(folder / "test", os.O_WRONLY | os.O_CREAT)
        os.write(handle, b"x")
        os.fsync(handle)
        os.close(handle)
    except OSError:
        return True
    return False


def centre_alarms(centre: SmallCentre, count: int) -> list[messages.Alarm]:
    centre.wait_for("alarm", count, 30)
    alarms: list[messages.Alarm] = centre.bodies("alarm", messages.Alarm)
    return alarms


def heard_by(panel: Panel, bell: Doorbell) -> bool:
    def look() -> bool:
        bell.wait(0.05)
        for word in bell.take_words():
            panel.note_word(word)
        return any(played["pattern"] == "centre_has_it" for played in panel.played)

    return wait_until(look, 20, "the word of the centre's receipt")


class RecordingLink:
    """Notes what is published; up or down as the test says."""

    def __init__(self) -> None:
        self.sent: list[messages.UpMessage] = []
        self.up = True

    def publish(self, kind: str, payload: bytes, *, qos: int) -> bool:
        if self.up:
            self.sent.append(messages.decode_up(payload))
        return self.up


class TestUnstored:
    def make(self) -> tuple[UnstoredSos, RecordingLink, list[tuple[str, bytes]], list[float]]:
        link, rings, clock = RecordingLink(), [], [100.0]
        calls = UnstoredSos(link, "b" * 32, lambda who, word: rings.append((who, word)), lambda: clock[0])  # type: ignore[arg-type]
        return calls, link, rings, clock

    def word(self, alarm_id: str = "a" * 32) -> bytes:
        fix = messages.Fix(lat=25.6, lon=100.2, fix_ms=1)
        alarm = messages.Alarm(alarm_id=alarm_id, kind="sos", pressed_ms=5, fix=fix)
        return b"unstored " + messages.encode(alarm)

    def test_it_repeats_until_the_receipt_for_its_own_spool(self) -> None:
        calls, link, rings, clock = self.make()
        for _ in range(3):
            calls.take(self.word())
        for _ in range(7):
            calls.turn()
            clock[0] += 1.0
        assert [message.items[0].seq for message in link.sent] == [1, 1, 1]
        assert not calls.on_receipt(messages.encode(messages.TelemetryReceipt(spool="c" * 32, ranges=[(1, 1)])))
        assert calls.is_calling
        assert calls.on_receipt(messages.encode(messages.TelemetryReceipt(spool=calls.spool_id, ranges=[(1, 1)])))
        assert rings == [("panel", b"receipted " + b"a" * 32)]
        clock[0] += 60
        calls.turn()
        assert len(link.sent) == 3
        assert not calls.is_calling

    def test_a_link_that_is_down_is_tried_again(self) -> None:
        calls, link, _, _ = self.make()
        link.up = False
        calls.take(self.word())
        calls.turn()
        link.up = True
        assert calls.turn() <= 1.0
        assert len(link.sent) == 1

    def test_it_carries_its_place_and_says_that_it_is_not_stored(self) -> None:
        calls, link, _, _ = self.make()
        calls.take(self.word())
        calls.turn()
        alarm = messages.decode(link.sent[0].items[0].body, messages.Alarm)
        assert alarm.fix is not None and (alarm.fix.lat, alarm.fix.lon) == (25.6, 100.2)
        assert alarm.unstored

    def test_nonsense_and_other_words_are_left_aside(self) -> None:
        calls, link, _, _ = self.make()
        calls.take(b"unstored nonsense")
        calls.take(b"sos")
        calls.turn()
        assert link.sent == []
