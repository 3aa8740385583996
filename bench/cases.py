"""case_search_p95_ms, case_page_p95_ms, import_cases_per_s, import_rss_mb, centre_pss_mb: cases as they grow.

Each size is imported from a CSV file by `zhixing-central import` as a process of its own, into an empty database of
each kind. ZHIXING_BENCH_CASES (10000,100000,1000000) and ZHIXING_BENCH_DATABASES (sqlite,postgresql) choose.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from sqlalchemy import text

from bench import centre
from bench.casebook import Question, ask, write_csv
from bench.report import percentile, report
from central.base import schema
from central.base.keyring import Keyring, load_keyring
from central.base.settings import Settings, load_settings
from central.base.unit_of_work import Store, open_store
from central.cases.search import search_cases
from central.cases.service import look_at_case
from central.courts import service as courts
from central.courts.permissions import Actor
from central.people import queries as people
from central.people import service as accounts
from central.web.security import SESSION_COOKIE
from demo.fiction import COURTS
from tests.postgres import PostgresServer

_CLERK_COURT = "云2923"
_EACH = 200
_PAGES = 200
# A server as a court would run it: nothing is lost when the power goes.
_SAFE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "shared_buffers": "512MB"}


@dataclass
class _Database:
    """One database under measurement."""

    name: str
    size: int
    settings: Settings
    config: Path
    store: Store
    forget: Callable[[], None]
    """Drops what the system keeps of its files in memory."""

    def report(self, name: str, value: float, unit: str, **detail: object) -> None:
        report(name, value, unit, database=self.name, cases=self.size, **detail)


def measure() -> None:
    """Print the figures, for every size and database."""
    # Taken out of the environment: the centre's processes would not know these options.
    sizes = [int(size) for size in os.environ.pop("ZHIXING_BENCH_CASES", "10000,100000,1000000").split(",")]
    names = os.environ.pop("ZHIXING_BENCH_DATABASES", "sqlite,postgresql").split(",")
    with tempfile.TemporaryDirectory(prefix="zhixing-bench-") as folder:
        for size in sizes:
            file = Path(folder) / f"cases-{size}.csv"
            write_csv(file, size)
            for name in names:
                with _open_database(name, size, Path(folder) / f"{name}-{size}") as database:
                    _measure_import(database, file)
                    _measure_searches(database)
                    _measure_pages(database)
            file.unlink()
    centre.measure()


@contextlib.contextmanager
def _open_database(name: str, size: int, folder: Path) -> Iterator[_Database]:
    with contextlib.ExitStack() as stack:
        url, files = "", folder / "data"
        if name == "postgresql":
            server = stack.enter_context(PostgresServer(_SAFE))
            url, files = server.url(server.create()), server.folder / "data" / "base"
        folder.mkdir()
        config = folder / "centre.toml"
        config.write_text(
            f'data_dir = "data"\nkeys_dir = "keys"\ndatabase_url = "{url}"\nsecond_factor = "off"\n'
            f'web_port = {_free_port()}\nlog_level = "error"\n',
            encoding="utf-8",
        )
        settings = load_settings(config, environ={})
        schema.migrate(settings)
        store = open_store(settings)
        stack.callback(store.close)
        _add_people(store)
        yield _Database(name, size, settings, config, store, lambda: _forget(files))


def _add_people(store: Store) -> None:
    with store.write() as uow:
        courts.seed_courts(uow)
        password = "specimen-of-a-bench-7"
        judges = [(f"judge{code.removeprefix('云')}", f"样例{code.removeprefix('云')}法官", code) for code in COURTS]
        for login, name, code in judges:
            accounts.add_user(
                uow, login=login, name=name, role="judge", court_code=code, password=password, by="bench"
            )
        for login, role, code in (("duty", "duty_operator", "云29"), ("clerk", "clerk", _CLERK_COURT)):
            accounts.add_user(uow, login=login, name=login, role=role, court_code=code, password=password, by="bench")


def _measure_import(database: _Database, file: Path) -> None:
    command = [
        sys.executable, "-m", "central.main", "--config", str(database.config), "import", str(file), "--source",
        "bench", "--court", "云29",
    ]  # fmt: skip
    waits: list[float] = []
    stop = threading.Event()
    prober = threading.Thread(target=_probe_lock, args=(database.store, stop, waits))
    began = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    prober.start()
    try:
        peak_mb, cpu_s = _watch(psutil.Process(child.pid))
    finally:
        stop.set()
        prober.join()
    _, errors = child.communicate()
    if child.returncode != 0:
        raise RuntimeError(
            f"the import ended with code {child.returncode}: {errors.decode(errors='replace')[-2000:]}"
        )
    with database.store.read() as session:
        job = (
            session.connection()
            .execute(text("SELECT started_ms, ended_ms, created_count, rejected_count FROM import_job"))
            .one()
        )
        parties = session.connection().execute(text("SELECT count(*) FROM party")).scalar_one()
    run_s = (job.ended_ms - job.started_ms) / 1000
    database.report(
        "import_cases_per_s", job.created_count / run_s, "cases/s", parties=parties, rejected=job.rejected_count,
        run_s=round(run_s, 1), with_start_and_sealing_s=round(time.monotonic() - began, 1),
        cpu_us_per_case=round(cpu_s / job.created_count * 1e6), file_mb=round(file.stat().st_size / 2**20, 1),
    )  # fmt: skip
    database.report("import_rss_mb", peak_mb, "MB", what="peak resident memory of the importing process")
    if waits:
        database.report(
            "import_lock_wait_ms", max(waits), "ms", p50_ms=round(percentile(waits, 0.5), 1),
            p95_ms=round(percentile(waits, 0.95), 1), samples=len(waits),
            how="another process takes the write lock every 50 ms during the import, as an SOS would",
        )  # fmt: skip


def _watch(process: psutil.Process) -> tuple[float, float]:
    """Peak resident memory in MB and CPU seconds of a process until it ends."""
    peak, cpu_s = 0.0, 0.0
    while True:
        try:
            peak = max(peak, process.memory_info().rss / 2**20)
            times = process.cpu_times()
            cpu_s = times.user + times.system
            if process.status() == psutil.STATUS_ZOMBIE:
                return peak, cpu_s
        except psutil.NoSuchProcess:
            return peak, cpu_s
        time.sleep(0.05)


def _probe_lock(store: Store, stop: threading.Event, waits: list[float]) -> None:
    while not stop.wait(0.05):
        began = time.perf_counter()
        with store.write():
            waits.append((time.perf_counter() - began) * 1000)


def _measure_searches(database: _Database) -> None:
    _let_settle(database)
    keyring = load_keyring(Path(database.settings.keys_dir))
    actors = _actors(database.store)
    asked = ask(database.store, keyring, _CLERK_COURT, 2 * _EACH)
    cold: dict[str, float] = {}
    for kind, questions in asked.items():
        database.forget()
        database.store.close()  # fresh connections with empty caches of their own
        times = _time_searches(database, keyring, actors, questions[:_EACH])
        cold[kind] = percentile([took for took, _ in times["operator"] + times["clerk"]], 0.95)
    for kind, questions in asked.items():
        times = _time_searches(database, keyring, actors, questions[_EACH:])
        both = times["operator"] + times["clerk"]
        values = [took for took, _ in both]
        database.report(
            "case_search_p95_ms", percentile(values, 0.95), "ms", kind=kind, p50_ms=round(percentile(values, 0.5), 1),
            max_ms=round(max(values), 1), queries=len(values), cold_p95_ms=round(cold[kind], 1),
            rows_shown=round(sum(rows for _, rows in both) / len(both), 1),
            operator_p95_ms=round(percentile([took for took, _ in times["operator"]], 0.95), 1),
            clerk_p95_ms=round(percentile([took for took, _ in times["clerk"]], 0.95), 1),
            how="other questions than those asked before; cold: the database's files forgotten before each kind",
        )  # fmt: skip


def _time_searches(
    database: _Database, keyring: Keyring, actors: dict[str, Actor], questions: list[Question]
) -> dict[str, list[tuple[float, int]]]:
    """Milliseconds and rows of each question, by who asks."""
    times: dict[str, list[tuple[float, int]]] = {name: [] for name in actors}
    for question in questions:
        for name, actor in actors.items():
            times[name].append(_time_search(database, keyring, actor, question))
    return times


def _time_search(database: _Database, keyring: Keyring, actor: Actor, question: Question) -> tuple[float, int]:
    began = time.perf_counter()
    with database.store.read() as session:
        page = search_cases(session, actor, keyring, question.wanted, now_ms=database.store.clock.now_ms())
    return (time.perf_counter() - began) * 1000, len(page.rows)


def _measure_pages(database: _Database) -> None:
    keyring = load_keyring(Path(database.settings.keys_dir))
    actors = _actors(database.store)
    asked = ask(database.store, keyring, _CLERK_COURT, _PAGES)["number"]
    database.forget()
    times = []
    for question in asked:
        began = time.perf_counter()
        with database.store.write() as uow:
            look_at_case(uow, actors["operator"], keyring, question.wanted.text)
        times.append((time.perf_counter() - began) * 1000)
    _report_pages(database, times, "service with its audit row")
    with _serve(database) as client:
        times = []
        for question in ask(database.store, keyring, _CLERK_COURT, _PAGES)["number"][::-1]:
            began = time.perf_counter()
            answer = client.get(f"/cases/{question.wanted.text}")
            times.append((time.perf_counter() - began) * 1000)
            answer.raise_for_status()
        _report_pages(database, times, "page over HTTP from the pages' process")


def _report_pages(database: _Database, times: list[float], what: str) -> None:
    database.report(
        "case_page_p95_ms", percentile(times, 0.95), "ms", what=what, p50_ms=round(percentile(times, 0.5), 1),
        max_ms=round(max(times), 1), pages=len(times),
    )  # fmt: skip


@contextlib.contextmanager
def _serve(database: _Database) -> Iterator[httpx.Client]:
    """The pages' process on its own, and a client that is logged in as the operator."""
    issued = accounts.log_in(database.store, database.settings, login="duty", password="specimen-of-a-bench-7")
    command = [sys.executable, "-m", "central.main", "--config", str(database.config), "web"]
    log = database.config.with_name("web.log")
    with log.open("wb") as file:
        child = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        with httpx.Client(base_url=database.settings.web_url, cookies={SESSION_COOKIE: issued.token}) as client:
            deadline = time.monotonic() + 60
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if client.get("/login").status_code < 500:
                        break
                if time.monotonic() > deadline or child.poll() is not None:
                    raise RuntimeError(f"the pages' process did not answer: {log.read_text()[-2000:]}")
                time.sleep(0.1)
            yield client
    finally:
        child.terminate()
        child.wait(20)


def _actors(store: Store) -> dict[str, Actor]:
    with store.read() as session:
        return {
            "operator": people.actor_of(people.get_user(session, "duty")),
            "clerk": people.actor_of(people.get_user(session, "clerk")),
        }


def _let_settle(database: _Database) -> None:
    """What autovacuum does within its next minutes."""
    if database.name == "postgresql":
        with database.store.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql("VACUUM (ANALYZE)")


def _forget(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
