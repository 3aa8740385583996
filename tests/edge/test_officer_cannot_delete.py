"""Nothing an officer can press, turn, choose or type at his kit takes a sealed segment away."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import edge
from contract.categories import CATEGORIES
from edge.options import PanelSettings
from edge.panel.gestures import Act
from edge.panel.panel import Panel
from edge.recorder.recorder import Recorder
from edge.spool import open_spool
from edge.spool.presses import ACTS
from tests.fakes.camera import Clocks, ScriptedCamera
from tests.fakes.hand import Clocks as HandClocks
from tests.fakes.kit import make_kit

VALUES = ("", "on", "off", *CATEGORIES)


class Silent:
    """Outputs of a panel that nobody looks at."""

    note = "nobody looks"

    def set_quiet(self, quiet):
        pass

    def set_light(self, name, on):
        pass

    def set_buzz(self, on):
        pass

    def close(self):
        pass


@pytest.fixture
def kit(tmp_path):
    return make_kit(tmp_path / "kit", segments={"pre_event_s": 0})


@pytest.fixture
def spool(kit):
    with open_spool(kit.folder / "spool.db") as opened:
        yield opened


@pytest.fixture
def recorder(kit, spool):
    """The kit's recorder, in the middle of a recording of three sealed segments."""
    cameras = []

    def build():
        cameras.append(ScriptedCamera())
        return cameras[-1]

    clocks = Clocks()
    recorder = Recorder(
        kit.settings(),
        spool,
        sign=kit.sign,
        load_recipients=lambda: [kit.centre.public_key()],
        build_source=build,
        clock=Clocks(),
    )
    recorder.begin()
    spool.state.set("recording_wanted", {"on": True, "cause": "officer", "by": "button"})
    recorder.turn(rung=True, wait_s=0)
    cameras[0].give(160)
    while len(sealed(kit)) < 3:
        recorder.turn(rung=False, wait_s=5)
        clocks.advance(40)
    yield recorder
    recorder.finish("shutdown")
    for camera in cameras:
        camera.close()


def sealed(kit):
    """Name and digest of every sealed file."""
    return {
        str(path.relative_to(kit.vault)): hashlib.sha256(path.read_bytes()).digest()
        for path in kit.vault.rglob("*.age")
    }


def test_no_button_and_no_act_of_the_page_does(kit, spool, recorder):
    before, rows = sealed(kit), spool.vault.count_pending()
    panel = Panel(spool, PanelSettings(), Silent(), HandClocks().panel_clock())
    for act in Act:
        for value in VALUES:
            panel.perform(act, by="button", value=value)
            recorder.turn(rung=True, wait_s=0)
    for number, act in enumerate(ACTS):
        for value in VALUES:
            spool.presses.put(f"{number} {value}", act, value)
        panel.take_presses()
        recorder.turn(rung=True, wait_s=0)
    assert before.items() <= sealed(kit).items()
    assert spool.vault.count_pending() >= rows >= 3


@pytest.mark.parametrize("arguments", [["status"], ["enrol", "zx1.nothing"], ["enrol", "--renew"], ["purge"]])
def test_no_command_does(kit, spool, recorder, arguments):
    before = sealed(kit)
    data = ["--data", str(kit.folder)] if arguments[0] == "enrol" else ["--config", str(kit.config)]
    subprocess.run(
        [sys.executable, "-m", "edge.manager", *arguments, *data], check=False, capture_output=True, timeout=60
    )
    assert sealed(kit) == before


def test_one_place_alone_forgets_segments_and_it_asks_for_the_receipt():
    """The database refuses besides (`test_the_database_itself_keeps_unreceipted_segments`)."""
    found = {
        path.relative_to(Path(edge.__file__).parent).as_posix(): statement
        for path in Path(edge.__file__).parent.rglob("*.py")
        for statement in re.findall(r"DELETE FROM segments[^\"]*", path.read_text(encoding="utf-8"))
    }
    assert list(found) == ["spool/vault.py"]
