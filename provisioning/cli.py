"""`zhixing-provision`: the authority's desk.

Every command ends with 0, with 2 and one sentence that says what was wrong and what to do, or with 1 when the
act was done but could not be handed over to the centre.
"""

from __future__ import annotations

import argparse
import getpass
import json
import logging
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import urlsplit

from contract.enrolment import check_est_url
from contract.names import check_kit_id
from provisioning import authority as desk
from provisioning.authority import Authority
from provisioning.destruction import describe_permit
from provisioning.est import EstServer
from provisioning.files import write_new
from provisioning.grace_command import CHINA, InputError, describe_grace, print_table, show_time
from provisioning.handover import HandoverError
from provisioning.rules import check_host
from provisioning.state import open_transaction
from provisioning.zone import equip_zone

PROGRAM: Final = "zhixing-provision"
EST_PORT: Final = 8444


class OneSentenceParser(argparse.ArgumentParser):
    """Says what is wrong in one line instead of printing the whole usage."""

    def error(self, message: str) -> NoReturn:
        """End with code 2."""
        self.exit(2, f"{PROGRAM}: {message}; see `{self.prog} --help`.\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; give the exit code."""
    options = make_parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        options.run(options)
    except HandoverError as error:
        return _fail(1, f"the act is recorded, but not handed over: {error}")
    except (ValueError, FileExistsError) as error:
        return _fail(2, str(error))
    except (OSError, sqlite3.Error) as error:
        return _fail(2, f"{error}; check that the folder exists and that you may write to it.")
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = OneSentenceParser(prog=PROGRAM, description="The device authority of Zhixing.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=OneSentenceParser)
    _describe_init(commands.add_parser("init", help="found the authority, the centre's keys and the escrow key"))
    add = commands.add_parser("add", help="add a kit and show its one-time token")
    add.add_argument("kit")
    add.add_argument("--court", required=True, help="court code, such as 云2901")
    add.add_argument("--label", required=True, help="what people call the kit")
    add.add_argument("--officer", required=True, help="who carries it")
    add.set_defaults(run=_run_add)
    token = commands.add_parser("token", help="issue a fresh token; earlier unused ones become worthless")
    token.add_argument("kit")
    token.set_defaults(run=_run_token)
    reimage = commands.add_parser(
        "reimage", help="a new card for a known kit: its certificates end at once, it gets a fresh token"
    )
    reimage.add_argument("kit")
    reimage.add_argument("--reason", required=True)
    reimage.set_defaults(run=_run_reimage)
    for command in (add, token, reimage):
        command.add_argument("--qr", type=Path, metavar="FILE", help="also write the QR code as .svg or .png")
        command.add_argument("--no-terminal-qr", action="store_true", help="print the token as text only")
    describe_grace(commands.add_parser("grace", help="kits that come back with an expired certificate"))
    revoke = commands.add_parser("revoke", help="revoke a kit, its certificates and tokens")
    revoke.add_argument("kit")
    revoke.add_argument("--reason", required=True)
    revoke.set_defaults(run=_run_revoke)
    describe_permit(commands.add_parser("permit-destruction", help="let a lost kit destroy its keys"))
    listing = commands.add_parser("list", help="kits, their state and when their certificates end")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(run=_run_list)
    commands.add_parser("log", help="every act, oldest first").set_defaults(run=_run_log)
    publish = commands.add_parser("publish", help="hand the registry over again when it could not be written")
    publish.add_argument("--centre", type=Path, help="the centre's folder, when it has moved")
    publish.set_defaults(run=_run_publish)
    renew = commands.add_parser("renew-servers", help="issue the certificates of EST and centre anew")
    renew.add_argument("--host", action="append", default=[], help="name or address, instead of the present ones")
    renew.set_defaults(run=_run_renew_servers)
    zone = commands.add_parser("zone", help="make keys/ and handover/ for a zone between two networks")
    zone.add_argument("folder", type=Path, help="the zone's folder")
    zone.add_argument(
        "--host", action="append", required=True, help="name or address kits and inside reach it by; repeatable"
    )
    zone.set_defaults(run=_run_zone)
    serve = commands.add_parser("serve", help="serve enrolment (EST, RFC 7030) over HTTPS")
    # An authority exists to be reached by kits from outside.
    serve.add_argument("--bind", default="0.0.0.0", help="address to listen on (default: all)")  # noqa: S104
    serve.add_argument("--port", type=int, help="port (default: that of the enrolment address)")
    serve.set_defaults(run=_run_serve)
    for command in commands.choices.values():
        command.add_argument(
            "--authority",
            type=Path,
            default=Path(os.environ.get("ZHIXING_AUTHORITY", "authority")),
            help="the authority's folder (default: $ZHIXING_AUTHORITY or ./authority)",
        )
    return parser


def _describe_init(init: argparse.ArgumentParser) -> None:
    init.add_argument("--centre", type=Path, required=True, help="the centre's folder, for keys/ and handover/")
    init.add_argument("--escrow", type=Path, required=True, help="file for the escrow key, outside both folders")
    init.add_argument(
        "--host", action="append", required=True, help="name or address kits reach the services by; repeatable"
    )
    init.add_argument("--est-url", help=f"enrolment address (default: https://FIRST-HOST:{EST_PORT})")
    init.add_argument(
        "--passphrase-file", type=Path, help="read the escrow passphrase from a file's first line, do not ask"
    )
    init.set_defaults(run=_run_init)


def _run_init(options: argparse.Namespace) -> None:
    hosts = [check_host(host) for host in options.host]
    url = check_est_url(options.est_url or f"https://{hosts[0]}:{EST_PORT}")
    made = desk.create(
        options.authority,
        centre_folder=options.centre,
        escrow_file=options.escrow,
        passphrase=_read_passphrase(options.passphrase_file),
        hosts=hosts,
        est_url=url,
    )
    print(f"authority: {made.folder}")
    print(f"centre:    {made.centre_folder}/keys, {made.centre_folder}/handover")
    print(f"escrow:    {options.escrow}  (take it off this machine; opens with: age -d {options.escrow.name})")
    print(f"anchor:    SHA-256 {made.root_fingerprint().hex()}")
    print(f"enrolment: {url}")


def _read_passphrase(file: Path | None) -> str:
    if file is not None:
        lines = file.read_text(encoding="utf-8").splitlines()
        return lines[0] if lines else ""
    if not sys.stdin.isatty():
        raise InputError("The escrow passphrase can only be asked for at a terminal; give --passphrase-file instead.")
    passphrase = getpass.getpass("Passphrase for the escrow key: ")
    if getpass.getpass("The same passphrase again: ") != passphrase:
        raise InputError("The two passphrases differ; run the command again.")
    return passphrase


def _run_add(options: argparse.Namespace) -> None:
    check_qr_file(options.qr)
    opened = Authority(options.authority)
    text = opened.add_kit(options.kit, court_code=options.court, label=options.label, officer=options.officer)
    _show_token(text, options)


def _run_token(options: argparse.Namespace) -> None:
    check_qr_file(options.qr)
    _show_token(Authority(options.authority).issue_token(check_kit_id(options.kit)), options)


def check_qr_file(path: Path | None) -> None:
    """Refuse a picture file that could not be written, before a token is issued for it."""
    if path is None:
        return
    if path.suffix not in (".svg", ".png"):
        raise InputError(f"{path.name} must end in .svg or .png; choose one of the two.")
    if path.exists():
        raise InputError(f"{path} exists already and is never overwritten; name another file.")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent} is no folder; make it first or name another file.")


def _show_token(text: str, options: argparse.Namespace) -> None:
    import segno

    # Letters, digits and hyphens only: the dense alphanumeric mode, readable from a screen by any phone.
    code = segno.make_qr(text.replace("\n", "-"), error="m")
    print(f"Token for {options.kit}: serves once, within 48 hours.\n\n{text}\n")
    if not options.no_terminal_qr:
        code.terminal(sys.stdout, compact=True)
    if options.qr is not None:
        import io

        picture = io.BytesIO()
        code.save(picture, kind=options.qr.suffix[1:], scale=8)
        write_new(options.qr, picture.getvalue(), secret=True)
        print(f"QR code: {options.qr}")


def _run_reimage(options: argparse.Namespace) -> None:
    check_qr_file(options.qr)
    _show_token(Authority(options.authority).replace_card(check_kit_id(options.kit), reason=options.reason), options)


def _run_revoke(options: argparse.Namespace) -> None:
    opened = Authority(options.authority)
    opened.revoke(options.kit, reason=options.reason)
    print(f"{options.kit} is revoked; the centre has it in its handover folder.")


def _run_list(options: argparse.Namespace) -> None:
    kits = Authority(options.authority).list_kits()
    rows: list[dict[str, str | None]] = [
        {
            "kit": status.kit.kit_id,
            "court": status.kit.court_code,
            "state": status.state,
            "expires": status.expires_at.isoformat() if status.expires_at and options.json else None,
            "label": status.kit.label,
            "officer": status.kit.officer,
        }
        | ({} if options.json else {"expires": show_time(status.expires_at)})
        for status in kits
    ]
    if options.json:
        print(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    titles: dict[str, str | None] = {
        name: name.upper() for name in ("kit", "court", "state", "expires", "label", "officer")
    }
    print_table([titles, *rows])


def _run_log(options: argparse.Namespace) -> None:
    opened = Authority(options.authority)
    with open_transaction(opened.folder / "state.db") as transaction:
        for row in transaction.list_log():
            at = datetime.fromtimestamp(row.at_ms / 1000, CHINA).strftime("%Y-%m-%d %H:%M:%S")
            print(f"{at}  {row.who}  {row.what}  {row.subject}  {row.detail}".rstrip())


def _run_publish(options: argparse.Namespace) -> None:
    opened = Authority(options.authority)
    if options.centre is not None:
        opened.move_centre(options.centre)
        opened = Authority(options.authority)
    print(f"registry epoch {opened.handover.publish_registry(opened.clock())} is handed over")


def _run_renew_servers(options: argparse.Namespace) -> None:
    hosts = [check_host(host) for host in options.host]
    named = Authority(options.authority).renew_servers(hosts)
    print(f"renewed for {', '.join(named)}; restart the centre and `zhixing-provision serve` to use it")


def _run_zone(options: argparse.Namespace) -> None:
    equip_zone(Authority(options.authority), options.folder, [check_host(host) for host in options.host])
    print(f"zone: {options.folder} holds keys/ and handover/; carry it there, it opens and receipts nothing")


def _run_serve(options: argparse.Namespace) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    opened = Authority(options.authority)
    port = options.port if options.port is not None else urlsplit(opened.est_url).port or 443
    if not 0 <= port <= 65535:
        raise InputError(f"{port} is no port; give one from 0 to 65535.")
    with EstServer(opened, (options.bind, port)) as server:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: threading.Thread(target=server.shutdown, daemon=True).start())
        print(f"ready: https://{options.bind}:{server.port}", flush=True)
        server.serve_forever(poll_interval=0.2)


def _fail(code: int, sentence: str) -> int:
    print(f"{PROGRAM}: {sentence}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
