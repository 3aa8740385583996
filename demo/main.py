"""``zhixing-demo``: broker, centre, device authority and six kits on one machine, for looking and trying.

Prints ``ready:`` with the address and the log-ins once all six kits are seen at the centre. Ctrl-C ends it all.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

from central.base.settings import load_settings
from central.base.unit_of_work import Store, open_store
from central.devices import queries as devices
from demo.children import Child, ChildEndedError, read_tail, run_to_end, script, start_child, stop_children
from demo.places import LOGINS, PARTS
from demo.stage import Stage

READY_TIMEOUT_S: Final = 120.0
_DEFAULT_FOLDER: Final = Path("var/demo")


class StopAskedError(Exception):
    """Ctrl-C or a request to end."""


def main() -> None:
    """Entry point of ``zhixing-demo``."""
    arguments = _parse(sys.argv[1:])
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _ask_to_stop)
    try:
        if arguments.act == "press":
            press(Stage(arguments.data, arguments.escrow), arguments.button, arguments.kit)
        else:
            run(Stage(arguments.data, arguments.escrow), stop_when_ready=arguments.act == "check")
    except StopAskedError:
        print("demo: ended")
    except (ChildEndedError, TimeoutError) as error:
        sys.exit(f"zhixing-demo: {error}")


def _parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="zhixing-demo", description=__doc__)
    parser.add_argument("--data", type=Path, default=_DEFAULT_FOLDER, help="folder of the demo (default: var/demo)")
    parser.add_argument("--escrow", type=Path, default=None, help="escrow file, outside the folder")
    acts = parser.add_subparsers(dest="act", required=True)
    acts.add_parser("run", help="start everything and stay until Ctrl-C")
    acts.add_parser("check", help="start everything, print ready, end")
    button = acts.add_parser("press", help="press a button of a running demo kit")
    button.add_argument("button", choices=["sos", "record", "mark", "duty"])
    button.add_argument("kit", choices=[part.kit_id for part in PARTS])
    arguments = parser.parse_args(words)
    arguments.data = arguments.data.resolve()
    arguments.escrow = (arguments.escrow or arguments.data.with_name(arguments.data.name + "-escrow.age")).resolve()
    return arguments


def _ask_to_stop(_number: int, _frame: FrameType | None) -> None:
    raise StopAskedError


def run(stage: Stage, *, stop_when_ready: bool) -> None:
    """Start everything, print ``ready:``, stay until asked to stop; leaves no process behind.

    Raises ChildEndedError when a part ends on its own, TimeoutError when the kits do not appear.
    """
    children: list[Child] = []
    began = time.monotonic()
    try:
        if not stage.is_set:
            print("demo: founding the device authority and the centre", flush=True)
            stage.set_up()
        _start_services(stage, children)
        _start_kits(stage, children)
        _wait_for_kits(stage, children)
        _print_ready(stage, time.monotonic() - began)
        while not stop_when_ready:
            for child in children:
                child.check_running()
            time.sleep(1)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        print("demo: ending all processes", flush=True)
        stop_children(list(reversed(children)))


def _start_services(stage: Stage, children: list[Child]) -> None:
    print("demo: starting the device authority and the centre (broker, intake, door, web)", flush=True)
    serve = [script("zhixing-provision"), "serve", "--authority", str(stage.authority_dir)]
    children.append(start_child("authority", serve, stage.log_dir))
    centre = [script("zhixing-central"), "--config", str(stage.centre_config)]
    children.append(start_child("centre", centre, stage.log_dir))
    ports = stage.read_ports()
    _wait_until(lambda: _answers(f"http://127.0.0.1:{ports.web}/login"), children, "the pages to answer")


def _start_kits(stage: Stage, children: list[Child]) -> None:
    for part in PARTS:
        if not (stage.kit_dir(part) / "device.crt").exists():
            print(f"demo: enrolling {part.kit_id} ({part.court_code} {part.label})", flush=True)
            token = stage.add_kit(part)
            run_to_end([script("zhixing-kit"), "enrol", token, "--data", str(stage.kit_dir(part))])
        config = stage.write_kit_config(part)
        run_kit = [script("zhixing-kit"), "run", "--config", str(config)]
        children.append(start_child(part.kit_id, run_kit, stage.log_dir))


def _wait_for_kits(stage: Stage, children: list[Child]) -> None:
    print("demo: waiting for the six kits to be seen at the centre", flush=True)
    store = open_store(load_settings(stage.centre_config, environ={}))
    try:
        _wait_until(lambda: _count_seen(store) == len(PARTS), children, "all six kits to be seen")
    finally:
        store.close()


def _count_seen(store: Store) -> int:
    with store.read() as session:
        return devices.count_heard_since(session, store.clock.now_ms() - 15_000)


def _wait_until(holds: Callable[[], bool], children: list[Child], what: str) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not holds():
        for child in children:
            child.check_running()
        if time.monotonic() > deadline:
            words = "\n".join(f"--- {child.name}\n{read_tail(child.log, 5)}" for child in children)
            raise TimeoutError(f"waited {READY_TIMEOUT_S:.0f} s in vain for {what}.\n{words}")
        time.sleep(0.2)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 -- our own loopback address
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _print_ready(stage: Stage, seconds: float) -> None:
    passwords = stage.read_passwords()
    print(f"ready: http://127.0.0.1:{stage.read_ports().web}/  (after {seconds:.0f} s; Ctrl-C ends everything)")
    for login in LOGINS:
        print(f"  {login.login:<10} {passwords[login.login]:<14} {login.role:<14} {login.court_code} {login.name}")
    print(f"  press an SOS: {script('zhixing-demo')} press sos {PARTS[0].kit_id}", flush=True)


def press(stage: Stage, button: str, kit_id: str) -> None:
    """Press a button of a kit that runs in this demo, through its loopback stand-in."""
    part = next(part for part in PARTS if part.kit_id == kit_id)
    address = (stage.kit_dir(part) / "panel.address").read_text(encoding="utf-8").strip()
    request = urllib.request.Request(f"{address}/press/{button}", method="POST", data=b"")  # noqa: S310
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 -- loopback
        print(json.dumps(json.loads(answer.read()), ensure_ascii=False))
