"""``python -m edge.screen.main --config kit.toml``: the process of the officer's page.

A process of its own, so that a page that hangs or is attacked touches neither buttons nor camera nor link. It
writes presses and answers into the spool and carries out nothing itself.
"""

from __future__ import annotations

import argparse
import logging
import os
import select
import signal
import sqlite3
import sys
import time
import uuid
from pathlib import Path
from typing import Any, Final, cast, get_args

import msgspec

from edge.logbook import keep_log, log_to_stderr
from edge.screen.command_acts import ANSWERED_HERE
from edge.screen.facts import FactsReader
from edge.screen.inlet import ANSWER_S, Ask, Board, Inlet
from edge.screen.server import ScreenError, Server
from edge.settings import Settings, SettingsError, load_settings
from edge.spool import Doorbell, Heartbeat, Spool, SpoolError, open_spool, ring
from edge.spool.answered import Answer, AnswerError
from edge.spool.presses import SOS_WORD

log = logging.getLogger("zhixing.screen")

EXIT_CONFIGURATION: Final = 78  # sysexits.h EX_CONFIG
ADDRESS_FILE: Final = "screen.address"
TASK_ANSWERS: Final = get_args(Answer)
_SHOW_EVERY_S: Final = 0.5
_REST_S: Final = 2.0


class Waker:
    """Ends the loop's wait from other threads and from signal handlers."""

    def __init__(self) -> None:
        self.reading, self._writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.stopped = False

    def stop(self, *_: Any) -> None:
        """End the loop; fits as a signal handler."""
        self.stopped = True
        self.wake()

    def wake(self) -> None:
        """End the wait now."""
        try:
            os.write(self._writing, b"!")
        except BlockingIOError:
            return  # the pipe is full of wakes already

    def drain(self) -> None:
        """Forget wakes that were served."""
        try:
            while os.read(self.reading, 512):
                pass
        except BlockingIOError:
            return

    def close(self) -> None:
        """Close both ends."""
        os.close(self.reading)
        os.close(self._writing)


class ScreenProcess:
    """The one thread that touches the spool for the page; :meth:`run` is its loop."""

    def __init__(self, settings: Settings, spool: Spool, waker: Waker) -> None:
        self._spool, self._waker = spool, waker
        self._reader = FactsReader(spool, settings)
        self._inlet, self._board = Inlet(waker.wake), Board()
        self._pressed: list[tuple[str, Ask, float]] = []
        self._shown, self._show_by_s = -1, 0.0
        self._server: Server | None = None
        if settings.screen.on:
            before = spool.state.get("screen_http") or {}
            self._server = Server(
                self._inlet, self._board, port=settings.screen.port, wanted_port=int(before.get("port", 0))
            )
            spool.state.set("screen_http", {"port": self._server.port, "address": self._server.address})
            (spool.dir / ADDRESS_FILE).write_text(self._server.address + "\n")
            log.info("screen: the officer's page is at %s", self._server.address)

    def run(self) -> None:
        """Serve until the waker is stopped."""
        bell, heart = Doorbell(self._spool.dir, "screen"), Heartbeat(self._spool.dir, "screen")
        listening: list[Any] = [bell, self._waker.reading]
        try:
            while not self._waker.stopped:
                heart.beat()
                try:
                    self.turn()
                except sqlite3.Error as error:
                    log.error("screen: the spool cannot be used: %s", error)
                ready, _, _ = select.select(listening, [], [], self._wait_s())
                if bell in ready:
                    bell.wait(0)
                self._waker.drain()
        finally:
            heart.close()
            bell.close()

    def turn(self) -> None:
        """One turn: what the page asks, what the panel answered, what has changed."""
        while (ask := self._inlet.take()) is not None:
            try:
                self._serve(ask)
            except sqlite3.Error as error:
                log.critical("screen: %s of the page could not be stored: %s", ask.what, error)
                ask.reply.put(self._answer_without_card(ask, error))
        self._pass_answers_on()
        if self._board.listeners and self._is_due():
            self._show()

    def close(self) -> None:
        """Let go of the port; its number is kept, for an open page asks there again."""
        self._board.close()
        if self._server is not None:
            self._server.close()
            self._spool.state.set("screen_http", {"port": self._server.port, "address": ""})
            (self._spool.dir / ADDRESS_FILE).unlink(missing_ok=True)

    def _wait_s(self) -> float:
        return _SHOW_EVERY_S if self._board.listeners or self._pressed else _REST_S

    def _is_due(self) -> bool:
        # Most turns end here: asking SQLite whether anybody committed costs next to nothing.
        version = self._spool.read_version()
        if version == self._shown and time.monotonic() < self._show_by_s:
            return False
        self._shown, self._show_by_s = version, time.monotonic() + _REST_S
        return True

    def _show(self) -> None:
        self._board.put(msgspec.json.encode(self._reader.read()).decode())

    def _serve(self, ask: Ask) -> None:
        if ask.what == "state":
            ask.reply.put(msgspec.json.decode(msgspec.json.encode(self._reader.read())))
        elif ask.what == "task":
            ask.reply.put(self._answer_task(**ask.facts))
        elif ask.what in ANSWERED_HERE:
            ask.reply.put(self._obey(ask))
        else:
            key = ask.facts["key"] or uuid.uuid4().hex
            self._spool.presses.put(key, ask.facts["act"], ask.facts["value"])
            ring(self._spool.dir, "panel")
            self._pressed.append((key, ask, time.monotonic() + ANSWER_S))

    def _pass_answers_on(self) -> None:
        waiting = []
        for key, ask, until_s in self._pressed:
            answer = self._spool.presses.find_answer(key)
            if answer is not None:
                ask.reply.put(answer)
            elif time.monotonic() >= until_s:
                # It is durable, and carried out as soon as the panel is back; an SOS however late that is.
                ask.reply.put({"waiting": ask.facts["act"]})
            else:
                waiting.append((key, ask, until_s))
        self._pressed = waiting

    def _answer_without_card(self, ask: Ask, error: sqlite3.Error) -> dict[str, Any]:
        if ask.what == "press" and ask.facts["act"] == "sos" and ring(self._spool.dir, "panel", SOS_WORD):
            return {"waiting": "sos", "code": "in_memory"}
        return {"refused": f"The kit could not store this ({error}); press again.", "code": "card"}

    def _obey(self, ask: Ask) -> dict[str, Any]:
        told = ANSWERED_HERE[ask.what](self._spool, **ask.facts)
        self._show()
        return told

    def _answer_task(self, number: int, answer: str, note: str) -> dict[str, Any]:
        if answer not in TASK_ANSWERS:
            return {"refused": f"A task is answered by {', '.join(TASK_ANSWERS)}.", "code": "unknown_answer"}
        if self._spool.state.get("lost"):
            return {"refused": "This kit is locked; only SOS works. Tell the centre.", "code": "locked"}
        try:
            self._spool.tasks.answer(number, cast(Answer, answer), note)
        except AnswerError as error:
            return {"refused": str(error), "code": f"task_{error.state or 'unknown'}"}
        ring(self._spool.dir, "control")
        ring(self._spool.dir, "recorder")
        self._show()
        return {"done": "task", "number": number, "state": answer}


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="edge.screen.main", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the kit's kit.toml")
    options = parser.parse_args(arguments)
    log_to_stderr()
    waker = Waker()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, waker.stop)
    try:
        settings = load_settings(options.config)
        keep_log("screen", settings.data_dir)
        with open_spool(settings.spool_path, check=False) as spool:
            process = ScreenProcess(settings, spool, waker)
            try:
                process.run()
            finally:
                process.close()
    except (SettingsError, SpoolError, ScreenError) as error:
        print(f"screen: {error}", file=sys.stderr)
        return EXIT_CONFIGURATION
    finally:
        waker.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
