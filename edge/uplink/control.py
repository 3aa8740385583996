"""A kit's control: telemetry and orders in one loop; the session, the uploads and the position beside it.

The MQTT session, the evidence upload and the position each have a thread with its own hold on the spool. A thread
that dies takes the process with it: the manager restarts it.
"""

import contextlib
import logging
import queue
import select
import socket
import sqlite3
import threading
import time
from typing import Literal

from contract.messages import MessageError
from edge import __version__
from edge.reach.identity import Identity, IdentityError
from edge.reach.trusted_time import TrustedTime
from edge.sensors import read_battery
from edge.settings import Settings
from edge.spool import Doorbell, Heartbeat, open_spool, ring
from edge.token_key import Token
from edge.uplink.carried_renewal import CarriedRenewal
from edge.uplink.clock_watch import ClockWatch
from edge.uplink.commands import Commands
from edge.uplink.door import Door
from edge.uplink.evidence_upload import Uploader
from edge.uplink.health import HealthReporter
from edge.uplink.link import Connected, Disconnected, Link, Received
from edge.uplink.logs import LogBringer
from edge.uplink.lost import LostKit, check_not_destroyed
from edge.uplink.position import PositionReporter, open_source, run_reporter
from edge.uplink.renewal import Renewer
from edge.uplink.telemetry import Telemetry
from edge.uplink.trust_keeper import TrustKeeper
from edge.uplink.unstored import UnstoredSos
from edge.uplink.upload_loop import run_uploader

log = logging.getLogger("zhixing.control")
THREADS_END_S = 2.5  # below the manager's patience
SPOOL_RETRY_S = 5.0
EMPTY_BATTERY_PCT = 5.0  # switched off below this, it was the battery's doing
EXIT_CONFIGURATION = 78  # sysexits.h EX_CONFIG: the keys are destroyed, starting again would not help
EXIT_RENEWED = 75  # sysexits.h EX_TEMPFAIL: start anew, with the new certificate


class Waker:
    """Wakes the main loop from threads and signal handlers; many wakes count as one."""

    def __init__(self) -> None:
        self._reading, self._writing = socket.socketpair()
        self._reading.setblocking(False)
        self._writing.setblocking(False)

    def fileno(self) -> int:
        """For select."""
        return self._reading.fileno()

    def wake(self) -> None:
        """Make the next wait return at once."""
        with contextlib.suppress(BlockingIOError):
            self._writing.send(b"!")

    def clear(self) -> None:
        """Forget the wakes so far."""
        with contextlib.suppress(BlockingIOError):
            while self._reading.recv(512):
                pass

    def close(self) -> None:
        """Close both ends."""
        self._reading.close()
        self._writing.close()


class Control:
    """Everything of the control process, built from settings; `run()` returns when `stop()` was called."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        check_not_destroyed(settings)
        self._identity = Identity(settings.data_dir)
        if self._identity.kit_id != settings.kit.id:
            raise IdentityError(
                f"kit.id = {settings.kit.id!r}, but the certificate is {self._identity.kit_id!r}'s: correct kit.toml "
                "or enrol this kit anew."
            )
        self._source = open_source(settings.position)
        self._spool = open_spool(settings.spool_path, check=False)
        floor_ms = max(self._identity.floor_ms(), int(self._spool.state.get("time_floor_ms", 0)))
        self._time = TrustedTime(floor_ms, signed_ms=self._identity.floor_ms())
        self._waker = Waker()
        self._upload_bell = threading.Event()
        self._stopping = threading.Event()
        self._link_up = threading.Event()
        self._in_reach = threading.Event()
        self._renewed = threading.Event()
        self._link = Link(
            settings.mqtt,
            self._identity,
            self._time,
            self._waker.wake,
            make_channel=self._identity.make_channel if settings.mqtt.sealed else None,
            note_reach=self._note_reach,
        )
        self._token = Token(settings.keys) if settings.keys.pkcs11_module else None
        self._renewer = Renewer(self._identity, self._time, settings.authority.url, keys=settings.keys)
        self._telemetry = Telemetry(self._spool, self._link, trusted_time=self._time)
        self._unstored = UnstoredSos(self._link, self._spool.boot, self._ring)
        self._keeper = TrustKeeper(self._spool, self._identity, self._time, self._ring)
        self._lost = LostKit(self._spool, self._identity, self._ring, token=self._token)
        self._logs = LogBringer(
            settings, self._identity, self._time, ring=lambda: self._ring("control"), stopping=self._stopping
        )
        self._commands = Commands(self._spool, self._keeper, self._time, self._ring, lost=self._lost, logs=self._logs)
        self._health = HealthReporter(self._spool, settings, self._time, describe_certificate=self._renewer.describe)
        self._threads = [
            threading.Thread(target=self._upload, name="upload", daemon=True),
            threading.Thread(target=self._report_positions, name="position", daemon=True),
        ]

    def stop(self) -> None:
        """End `run()`; safe in a signal handler."""
        self._stopping.set()
        self._waker.wake()

    def run(self) -> int:
        """Work until stopped; 0 after `stop()`, 1 when a thread died, 75 with a new certificate, 78 without keys."""
        bell = Doorbell(self._spool.dir, "control")
        heartbeat = Heartbeat(self._spool.dir, "control")
        if self._spool.state.get("duty") is None:
            self._spool.state.set("duty", self._settings.kit.on_duty_at_start)
        self._note_link(connected=False, reason="starting")
        self._commands.work_off()
        self._link.start()
        for thread in self._threads:
            thread.start()
        try:
            return self._loop(bell, heartbeat)
        finally:
            self._telemetry.say_goodbye(self._choose_goodbye())
            self._stopping.set()
            self._upload_bell.set()
            deadline = time.monotonic() + THREADS_END_S
            self._link.stop(THREADS_END_S / 2)
            for thread in self._threads:
                thread.join(max(0.1, deadline - time.monotonic()))
            self._note_link(connected=False, reason="the kit was stopped")
            bell.close()
            heartbeat.close()
            self._spool.close()

    def _choose_goodbye(self) -> Literal["switched_off", "restarting", "battery_empty"]:
        if not self._stopping.is_set() or self._renewed.is_set():
            return "restarting"
        charge = read_battery()
        return "battery_empty" if charge is not None and charge <= EMPTY_BATTERY_PCT else "switched_off"

    def _loop(self, bell: Doorbell, heartbeat: Heartbeat) -> int:
        while not self._stopping.is_set():
            heartbeat.beat()
            if not all(thread.is_alive() for thread in self._threads):
                log.error("control: a thread ended, its error stands above; restarting the process")
                return 1
            try:
                unstored_s = self._unstored.turn()
                wait_s = min(unstored_s, self._turn())
                if self._lost.turn():
                    return EXIT_CONFIGURATION
                wait_s = min(wait_s, self._lost.due_s)
            except sqlite3.OperationalError as error:
                # A full card passes. What the centre sent meanwhile it sends again, for it has no receipt.
                log.warning("control: the spool cannot be written (%s)", error)
                self._health.note_error(error)
                wait_s = min(unstored_s, SPOOL_RETRY_S)
            wait_s = min(wait_s, self._settings.kit.heartbeat_s)
            ready, _, _ = select.select([bell.fileno(), self._waker.fileno()], [], [], max(0.0, wait_s))
            if self._waker.fileno() in ready:
                self._waker.clear()
            if bell.fileno() in ready:
                bell.wait(0)
                for word in bell.take_words():
                    self._unstored.take(word)
                self._upload_bell.set()
        return EXIT_RENEWED if self._renewed.is_set() else 0

    def _turn(self) -> float:
        """Everything that is due; returns after how many seconds something is due again."""
        self._work_off_events()
        self._commands.end_past_sessions()
        health_s = self._health.turn()
        self._link.set_urgent(self._unstored.is_calling or bool(self._spool.outbox.unsettled_sos()))
        return min(self._telemetry.drain(), health_s)

    def _work_off_events(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                event = self._link.events.get_nowait()
                if isinstance(event, Connected):
                    self._link_up.set()
                    self._telemetry.on_connected(
                        version=__version__, trust_epoch=self._keeper.epoch, signer=self._identity.signing_certificate
                    )
                    self._note_link(connected=True, reason="")
                    self._upload_bell.set()
                elif isinstance(event, Disconnected):
                    self._link_up.clear()
                    self._telemetry.on_disconnected()
                    self._note_link(connected=False, reason=event.reason)
                else:
                    self._take_message(event)

    def _take_message(self, event: Received) -> None:
        try:
            if event.kind == "receipt" and not self._unstored.on_receipt(event.payload):
                self._commands.note_sos_receipted(self._telemetry.on_receipt(event.payload))
                self._upload_bell.set()
            elif event.kind == "directive":
                self._commands.receive(event.payload)
        except MessageError as error:
            log.warning("control: a %s of the centre cannot be read: %s", event.kind, error)

    def _note_link(self, *, connected: bool, reason: str) -> None:
        before = self._spool.state.get("link_status")
        if isinstance(before, dict) and (before.get("connected"), before.get("reason")) == (connected, reason):
            return
        since_ms = time.time_ns() // 1_000_000
        self._spool.state.set("link_status", {"connected": connected, "since_ms": since_ms, "reason": reason})
        self._ring("panel")

    def _note_reach(self, is_reached: bool) -> None:
        """The door is called while the session is still being made: on a long way that saves round trips."""
        if is_reached:
            self._in_reach.set()
            self._upload_bell.set()
        else:
            self._in_reach.clear()

    def _ring(self, who: str, *word: bytes) -> None:
        ring(self._settings.data_dir, who, *word)

    def _upload(self) -> None:
        with open_spool(self._settings.spool_path, check=False) as spool:
            keeper = TrustKeeper(spool, self._identity, self._time, self._ring)
            door = Door(self._settings.door, self._identity, self._time)
            self._renewer.is_link_up, self._renewer.ask_time = self._link_up.is_set, door.ask_time
            self._renewer.carried = CarriedRenewal(door)
            uploader = Uploader(
                spool,
                door,
                keeper,
                self._settings.storage,
                link=self._settings.link,
                is_link_up=self._link_up.is_set,
                # An SOS has the link for itself until it is handed over.
                is_in_reach=lambda: self._in_reach.is_set() and not spool.outbox.unsettled_sos(),
                is_stopping=self._stopping.is_set,
            )
            try:
                run_uploader(uploader, stopping=self._stopping, bell=self._upload_bell, between=self._renew)
            finally:
                door.close()

    def _renew(self) -> None:
        if self._renewer.turn():
            self._renewed.set()
            self.stop()

    def _report_positions(self) -> None:
        with open_spool(self._settings.spool_path, check=False) as spool:
            watch = ClockWatch(spool, self._time, self._settings.clock)
            reporter = PositionReporter(spool, self._source, self._time, self._settings.storage, watch)
            try:
                run_reporter(
                    reporter,
                    interval_s=self._settings.position.interval_s,
                    stopping=self._stopping,
                    wake=self._waker.wake,
                    watch=watch,
                )
            finally:
                self._source.close()
