"""The kit's pinned packages and every module of the kit on 64-bit Arm, emulated: proof that the set runs on a Pi's
processor. Nothing here measures speed, and no Pi hardware is behind it."""

import json
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from contract import chain
from edge.spool import open_spool
from tests.fakes.cutting import decode_times_s
from tests.fakes.kit import make_kit
from tests.roots.arm64_root import PACKAGES, PYTHON, QEMU, keep_arm64_root
from tests.roots.entering import enter
from tests.roots.needs import require_root_tools
from tests.waiting import wait_until

# The first run on a machine makes the root; later ones find it kept.
pytestmark = [pytest.mark.system, pytest.mark.timeout(1200)]

PROJECT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def root():
    require_root_tools("debootstrap", "qemu-aarch64-static", "unshare", "chroot")
    return keep_arm64_root()


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """What Arm sees as /srv: the project's packages, beside which its Python keeps their bytecode for both tests."""
    work = tmp_path_factory.mktemp("arm")
    for package in ("contract", "edge", "tests/roots/arm"):
        shutil.copytree(PROJECT / package, work / "project" / package, ignore=shutil.ignore_patterns("__pycache__"))
    return work


@pytest.fixture
def start(root, work):
    """Start the Arm Python with arguments."""
    started = []

    def run(*arguments):
        options = ("-E", "PYTHONDONTWRITEBYTECODE=", "-E", f"PYTHONPATH=/srv/project:{PACKAGES}")
        command = enter(root, work, QEMU, *options, PYTHON, *arguments)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def test_every_module_imports_and_codes_signs_and_calls(start, work):
    told, said = (process := start("-m", "tests.roots.arm.proof")).communicate(timeout=300)
    assert process.returncode == 0, said
    told = json.loads(told)
    assert told["machine"] == "aarch64"
    entries = {path.parent.name for path in (work / "project/edge").glob("*/main.py")}
    assert {f"edge.{room}.main" for room in entries} | {"edge.manager", "edge.enrol"} <= set(told["modules"])
    files = [path for side in ("contract", "edge") for path in (work / "project" / side).rglob("*.py")]
    assert len(told["modules"]) == len(files) - len(("contract", "edge"))
    assert told["pictures"] == 15
    assert told["signatures"] == ["Ed25519", "P-256"]
    assert told["broker"] == "ConnectionRefusedError"


def test_what_an_arm_recorder_seals_and_signs_is_read_and_verified_here(start, work):
    kit = make_kit(
        work / "kit", camera={"fps": 5, "stall_s": 20}, segments={"record_at_start": True, "pre_event_s": 0}
    )
    process = start("-m", "edge.recorder.main", "--config", "/srv/kit/kit.toml")

    def stored():
        with open_spool(kit.settings().spool_path) as spool:
            return spool._store.value("SELECT count(*) FROM segments")

    wait_until(lambda: process.poll() is not None or stored() >= 1, timeout_s=300, what="a sealed segment")
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    with open_spool(kit.settings().spool_path) as spool:
        recording_id = spool._store.value("SELECT recording_id FROM records WHERE seq = 0")
        records = kit.read_chain(spool, recording_id)
    assert records[0].kind is chain.Kind.OPEN
    assert records[-1].kind is chain.Kind.FINAL
    for record in records:
        if record.kind is chain.Kind.SEGMENT:
            _, clear = kit.open_segment(recording_id, record.seq)
            assert decode_times_s(clear)
