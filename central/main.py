"""`zhixing-central`: starts the centre's processes, and keeps its users and schema from the command line."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from central.base import schema
from central.base.errors import DomainError
from central.base.premises import check_no_escrow, check_ports, check_zone_keys
from central.base.settings import Settings, SettingsError, load_settings
from central.base.supervisor import Child, Supervisor
from central.base.unit_of_work import Store, open_store
from central.cases.catalogue import install_catalogue
from central.courts import service as courts
from central.courts.permissions import ROLES
from central.flows import audit_heads, housekeeping, upkeep
from central.imports import command as import_command
from central.metrics.serving import serve_metrics
from central.people import service as people
from central.people import terminals
from central.process import PARENT_PID, PROCESSES, run_process

# Which of them run, by the setting `role`.
ROLES_RUN = {
    "whole": ("broker", "intake", "door", "web", "api", "worker", "relay", "cameras"),
    "zone": ("broker", "gate", "zone"),
    "inside": ("broker", "intake", "link", "web", "api", "worker"),
}
HOUSE_EVERY_S = 60
_LOG = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status, 2 for what the caller must correct."""
    arguments = build_parser().parse_args(argv)
    try:
        settings = load_settings(arguments.config)
        install_catalogue(settings.case_catalogue)
        return int(arguments.act(arguments, settings) or 0)
    except (SettingsError, DomainError) as error:
        print(f"zhixing-central: {error}", file=sys.stderr)
        return 2


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of `zhixing-central`."""
    parser = argparse.ArgumentParser(prog="zhixing-central", description=__doc__)
    parser.add_argument("--config", type=Path, help="settings file (TOML); ZHIXING_<OPTION> overrides it")
    parser.set_defaults(act=run_centre)
    acts = parser.add_subparsers(title="commands", metavar="COMMAND")

    def add(name: str, act: Callable[[argparse.Namespace, Settings], int], text: str) -> argparse.ArgumentParser:
        command = acts.add_parser(name, help=text, description=text)
        command.add_argument("--config", type=Path, default=argparse.SUPPRESS, help="settings file (TOML)")
        command.set_defaults(act=act, name=name)
        return command

    add("run", run_centre, "start every process and supervise it (the default)")
    add("migrate", migrate_database, "bring the database schema up to date")
    add("seed", seed_database, "insert or correct the courts")
    user = add("user", change_user, "add, disable or restore a log-in; a password is read from stdin")
    user.add_argument("verb", choices=("add", "disable", "restore"))
    user.add_argument("login")
    user.add_argument("--name", help="the person's name (default: the login)")
    user.add_argument("--role", choices=ROLES, default="duty_operator")
    user.add_argument("--court", default="云29", help="court code, such as 云2901")
    terminal = add("terminal", add_terminal, "register a workstation and print the code that binds its browser")
    terminal.add_argument("title", help="what people call the workstation")
    terminal.add_argument("--room", default="")
    terminal.add_argument("--court", default="云29", help="court code, such as 云2901")
    upkeep.add_commands(add)
    import_command.add_arguments(
        add("import", import_command.run_import, "import cases from a CSV, XLSX or JSON file")
    )
    for name in PROCESSES:
        add(name, run_one, f"one process alone: {name}")
    return parser


def run_centre(arguments: argparse.Namespace, settings: Settings) -> int:
    """Migrate, seed the courts, then supervise the process table until SIGINT or SIGTERM."""
    check_ports(settings)
    if settings.role == "zone":
        check_zone_keys(settings)
    else:
        check_no_escrow(settings)
        _prepare_database(settings)
    os.environ[PARENT_PID] = str(os.getpid())
    children = list_children(arguments.config, settings)
    logging.basicConfig(level=settings.log_level.upper(), format="[centre] %(levelname)s %(name)s: %(message)s")
    return asyncio.run(_supervise(children, settings))


async def _supervise(children: Sequence[Child], settings: Settings) -> int:
    if settings.role == "zone":
        return await Supervisor(children, on_ready=lambda: print("ready: zone", flush=True)).run()
    supervisor = Supervisor(children, on_ready=lambda: print(f"ready: {settings.web_url}", flush=True))
    house = asyncio.create_task(_keep_house(settings))
    try:
        with serve_metrics(settings, supervisor):
            return await supervisor.run()
    finally:
        house.cancel()
        await asyncio.gather(house, return_exceptions=True)


async def _keep_house(settings: Settings) -> None:
    """Forget what is past its time, in small transactions beside the busy processes; sign the audit's head."""
    store = open_store(settings)
    try:
        await asyncio.gather(
            _repeat(HOUSE_EVERY_S, "Housekeeping", lambda: housekeeping.keep_house(store, settings)),
            _repeat(settings.audit_head_every_s, "Signing the audit", lambda: audit_heads.sign_head(store, settings)),
        )
    finally:
        store.close()


async def _repeat(every_s: int, name: str, act: Callable[[], object]) -> None:
    while True:
        await asyncio.sleep(every_s)
        try:
            await asyncio.to_thread(act)
        except (SQLAlchemyError, DomainError) as error:
            _LOG.error("%s failed and is tried again in %d s: %s", name, every_s, error)


def list_children(config: Path | None, settings: Settings) -> list[Child]:
    """Return the process table for these settings; with an external broker there is none to start."""
    # The broker is not asked: it would log a bare connection as a broken handshake.
    ports = {
        "door": (settings.door_host, settings.door_port),
        "web": (settings.web_host, settings.web_port),
        "api": (settings.api_host, settings.api_port),
        "zone": (settings.door_host, settings.door_port),
        "relay": (settings.live_host, settings.live_port),
    }
    off = {"broker"} if settings.broker != "embedded" else set()
    off |= set() if settings.live_on else {"relay", "cameras"}
    command = [sys.executable, "-m", "central.process"]
    options = ["--config", str(config.resolve())] if config else []
    return [
        Child(name, [*command, name, *options], _reachable(ports.get(name)), last_to_stop=name == "broker")
        for name in ROLES_RUN[settings.role]
        if name not in off
    ]


def run_one(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run one line of the process table in this process, until it ends or is told to."""
    run_process(arguments.name, settings)
    return 0


def migrate_database(_arguments: argparse.Namespace, settings: Settings) -> int:
    """Bring the schema up to date and say at which revision it is."""
    print(f"schema: revision {schema.migrate(settings)}")
    return 0


def seed_database(_arguments: argparse.Namespace, settings: Settings) -> int:
    """Insert or correct the courts."""
    print(f"courts: {_prepare_database(settings)}")
    return 0


def change_user(arguments: argparse.Namespace, settings: Settings) -> int:
    """Add or disable a log-in, or let its owner in again (`restore`: new password, no second way)."""
    _prepare_database(settings)
    store = open_store(settings)
    by = f"system:cli:{getpass.getuser()}"
    try:
        if arguments.verb == "disable":
            with store.write() as uow:
                people.disable_user(uow, login=arguments.login, by=by)
        elif arguments.verb == "restore":
            with store.write() as uow:
                people.restore_user(uow, login=arguments.login, password=_read_password(arguments.login), by=by)
        else:
            _add_user(store, arguments, by)
    finally:
        store.close()
    print(f"user {arguments.login}: {arguments.verb} done")
    return 0


def add_terminal(arguments: argparse.Namespace, settings: Settings) -> int:
    """Register a workstation: where log-ins are bound to terminals, nobody could register the first by a page."""
    _prepare_database(settings)
    store = open_store(settings)
    try:
        with store.write() as uow:
            made = terminals.add_terminal(
                uow,
                name=arguments.title,
                room=arguments.room,
                court_code=arguments.court,
                by=f"system:cli:{getpass.getuser()}",
            )
    finally:
        store.close()
    print(f"terminal {made.name}: open {settings.web_url}/terminal there and type {made.code} within 24 hours")
    return 0


def _reachable(port: tuple[str, int] | None) -> tuple[str, int] | None:
    return ("127.0.0.1" if port[0] in {"", "0.0.0.0"} else port[0], port[1]) if port else None  # noqa: S104


def _prepare_database(settings: Settings) -> int:
    schema.migrate(settings)
    store = open_store(settings)
    try:
        with store.write() as uow:
            return courts.seed_courts(uow)
    finally:
        store.close()


def _read_password(login: str) -> str:
    """Ask at the terminal without showing it, or take one line of stdin."""
    return (getpass.getpass(f"Password for {login}: ") if sys.stdin.isatty() else sys.stdin.readline()).rstrip("\n")


def _add_user(store: Store, arguments: argparse.Namespace, by: str) -> None:
    password = _read_password(arguments.login)
    with store.write() as uow:
        people.add_user(
            uow,
            login=arguments.login,
            name=arguments.name or arguments.login,
            role=arguments.role,
            court_code=arguments.court,
            password=password,
            by=by,
        )


if __name__ == "__main__":
    sys.exit(main())
