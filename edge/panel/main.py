"""``python -m edge.panel.main --config kit.toml``: the panel process of a kit.

A process of its own, so that a camera that is started anew never swallows a press.
"""

from __future__ import annotations

import argparse
import logging
import os
import select
import signal
import sqlite3
import sys
import threading
from pathlib import Path
from typing import Any, Final

from edge.logbook import keep_log, log_to_stderr
from edge.panel.buttons import Buttons, PinError, open_pin_factory
from edge.panel.desk import PanelClock
from edge.panel.feedback import GpioOutputs, NoOutputs, Outputs
from edge.panel.gestures import Act
from edge.panel.keyboard import Inlet, Keyboard
from edge.panel.panel import Panel
from edge.settings import Settings, SettingsError, load_settings
from edge.spool import Doorbell, Heartbeat, Spool, SpoolError, open_spool
from edge.spool.presses import SOS_WORD

log = logging.getLogger("zhixing.panel")

EXIT_CONFIGURATION: Final = 78  # sysexits.h EX_CONFIG
_POLL_S: Final = 0.5


class Waker:
    """Lets other threads and signal handlers end the loop's wait."""

    def __init__(self) -> None:
        self.reading, self._writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

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


class PanelProcess:
    """Everything the process owns, from pins to keys; :meth:`run` is its loop."""

    def __init__(self, settings: Settings, spool: Spool, waker: Waker, *, pin_factory: Any = None) -> None:
        panel = settings.panel
        self._spool, self._waker = spool, waker
        self._clock = PanelClock()
        self._buttons: Buttons | None = None
        outputs: Outputs = NoOutputs()
        if panel.kind == "gpio":
            pin_factory = pin_factory or open_pin_factory()
            self._buttons = Buttons(panel, pin_factory=pin_factory, wake=waker.wake)
            outputs = GpioOutputs(panel, pin_factory=pin_factory)
        else:
            log.warning("panel: no buttons and no buzzer on this machine (panel.kind = 'none')")
        self._outputs = outputs
        self.panel = Panel(spool, panel, outputs, self._clock)
        self._inlet = Inlet(waker.wake)
        on_terminal = sys.stdin.isatty()
        self._keyboard = Keyboard(self._inlet) if panel.keyboard and on_terminal else None
        if panel.keyboard and not on_terminal:
            log.warning("panel: no terminal to read keys from; start `zhixing-kit run` in one, or use the page")

    def run(self, stopping: threading.Event) -> None:
        """Serve buttons, keys, the officer's page and the doorbell until ``stopping``."""
        bell, heart = Doorbell(self._spool.dir, "panel"), Heartbeat(self._spool.dir, "panel")
        listening: list[Any] = [bell, self._waker.reading]
        try:
            while not stopping.is_set():
                heart.beat()
                try:
                    self.turn()
                except sqlite3.OperationalError as error:
                    # A card that cannot even be read must not end whoever can still call for help.
                    log.critical("panel: the spool cannot be read: %s", error)
                    self.panel.tick()
                ready, _, _ = select.select(listening, [], [], self._wait_s())
                if bell in ready and bell.wait(0):
                    self._hear(bell.take_words())
                self._waker.drain()
        finally:
            heart.close()
            bell.close()

    def _hear(self, words: list[bytes]) -> None:
        """What was said by doorbell because the card takes nothing."""
        if SOS_WORD in words:
            # The page could not store the press; the panel holds it in memory until the card takes it.
            self.panel.perform(Act.SOS, by="page")
        for word in words:
            self.panel.note_word(word)

    def turn(self) -> None:
        """One turn of the loop: what was pressed, what the centre answered, what is to be felt."""
        if self._buttons is not None:
            for act in self._buttons.poll():
                self.panel.perform(act, by="button")
        while (typed := self._inlet.take()) is not None:
            self.panel.perform(typed, by="keyboard")
        self.panel.take_presses()
        self.panel.attend()
        self.panel.tick()
        if self._buttons is not None:
            # Last: a card that cannot be read must not stand between a button and what it does.
            self._buttons.set_talk(self.panel.holds_talk)

    def close(self) -> None:
        """Let go of pins and terminal."""
        if self._keyboard is not None:
            self._keyboard.close()
        if self._buttons is not None:
            self._buttons.close()
        self._outputs.close()

    def _wait_s(self) -> float:
        due = [self.panel.due_s, self._buttons.due_s if self._buttons else None]
        soonest = min((when for when in due if when is not None), default=None)
        return _POLL_S if soonest is None else min(_POLL_S, max(0.0, soonest - self._clock.now_s()))


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="edge.panel.main", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the kit's kit.toml")
    options = parser.parse_args(arguments)
    log_to_stderr()
    stopping, waker = threading.Event(), Waker()

    def stop(*_: Any) -> None:
        stopping.set()
        waker.wake()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        settings = load_settings(options.config)
        keep_log("panel", settings.data_dir)
        with open_spool(settings.spool_path, check=False) as spool:
            process = PanelProcess(settings, spool, waker)
            try:
                process.run(stopping)
            finally:
                process.close()
    except (SettingsError, SpoolError, PinError) as error:
        print(f"panel: {error}", file=sys.stderr)
        return EXIT_CONFIGURATION
    finally:
        waker.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
