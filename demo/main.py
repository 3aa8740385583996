"""``zhixing-demo``: broker, centre, device authority and six kits on one machine, for looking and trying.

Prints ``ready:`` with the address and the log-ins once all six kits are seen at the centre. Ctrl-C ends it all.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final

from demo.children import ChildEndedError, script
from demo.command import keep_session
from demo.drill.command import add_arguments
from demo.people import all_logins
from demo.places import PARTS
from demo.stage import Stage
from demo.stand import Stand

_DEFAULT_FOLDER: Final = Path("var/demo")
_WEB_PORT: Final = 8080
_DOT_EVERY_S: Final = 2.0


class StopAskedError(Exception):
    """Ctrl-C or a request to end."""


def main() -> None:
    """Entry point of ``zhixing-demo``."""
    arguments = _parse(sys.argv[1:])
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _ask_to_stop)
    stage = Stage(arguments.data, arguments.escrow)
    try:
        if arguments.act == "drill":
            from demo.drill import run as drill

            sys.exit(drill.main(arguments))
        elif arguments.act == "press":
            print(json.dumps(Stand(stage).press(arguments.kit, arguments.button), ensure_ascii=False))
        else:
            run(stage, stop_when_ready=arguments.act == "check")
    except StopAskedError:
        print("demo: ended")
        if arguments.act == "drill":
            sys.exit("zhixing-demo: the drill was not finished")
    except (ChildEndedError, TimeoutError, OSError) as error:
        sys.exit(f"zhixing-demo: {error}")


def _parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="zhixing-demo", description=__doc__)
    parser.add_argument("--data", type=Path, default=_DEFAULT_FOLDER, help="folder of the demo (default: var/demo)")
    parser.add_argument("--escrow", type=Path, default=None, help="escrow file, outside the folder")
    acts = parser.add_subparsers(dest="act", required=True)
    acts.add_parser("run", help="start everything and stay until Ctrl-C")
    acts.add_parser("check", help="start everything, print ready, end")
    drill = acts.add_parser("drill", help="kill, cut off and fill up everything at random, then count every item")
    add_arguments(drill)
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
    began = time.monotonic()
    if not stage.is_set:
        with _showing("founding the device authority and the centre"):
            stage.set_up(web_port=_WEB_PORT)
    stage.move_taken_web_port()
    stand = Stand(stage)
    try:
        _bring_up(stand)
        _print_ready(stage, time.monotonic() - began)
        while not stop_when_ready:
            stand.check_running()
            time.sleep(1)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        with _showing("ending all processes"):
            stand.stop()


def _bring_up(stand: Stand) -> None:
    with _showing("starting the device authority and the centre (broker, intake, door, web)"):
        stand.start_services()
    for part in PARTS:
        if not (stand.stage.kit_dir(part) / "device.crt").exists():
            with _showing(f"enrolling {part.kit_id} ({part.court_code} {part.label})"):
                stand.enrol_kit(part)
        stand.start_kit(part)
    with _showing("waiting for the six kits to be seen at the centre"):
        stand.wait_until(lambda: stand.count_seen_kits() >= len(PARTS), "all six kits to be seen at the centre")
    keep_session(stand, [part.kit_id for part in PARTS[:4]])


def _print_ready(stage: Stage, seconds: float) -> None:
    passwords = stage.read_passwords()
    print(f"ready: http://localhost:{stage.read_ports().web}/  (after {seconds:.0f} s; Ctrl-C ends everything)")
    for login in (login for login in all_logins() if login.is_told):
        print(f"  {login.login:<10} {passwords[login.login]:<14} {login.role:<14} {login.court_code} {login.name}")
    print(f"  four kits live, as commander: http://localhost:{stage.read_ports().web}/wall")
    print(f"  press an SOS: {script('zhixing-demo')} press sos {PARTS[0].kit_id}", flush=True)


@contextlib.contextmanager
def _showing(words: str) -> Iterator[None]:
    """Say what is being done, with a dot for every two seconds that it takes."""
    print(f"demo: {words}", end="", flush=True)
    done = threading.Event()

    def tick() -> None:
        while not done.wait(_DOT_EVERY_S):
            print(".", end="", flush=True)

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    try:
        yield
    finally:
        done.set()
        ticker.join()
        print(flush=True)
