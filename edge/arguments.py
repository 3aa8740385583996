"""What may be written after ``zhixing-kit``."""

import argparse
from pathlib import Path


def make_parser() -> argparse.ArgumentParser:
    """The reader of the kit's command line: ``command`` is run, status or enrol, with the options of each."""
    parser = argparse.ArgumentParser(prog="zhixing-kit", description="A kit in the field (执行单兵).")
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("run", help="start the kit and watch over it")
    starting.add_argument("--config", type=Path, required=True, help="the kit's kit.toml")
    status = commands.add_parser("status", help="what the kit's processes last said")
    status.add_argument("--config", type=Path, required=True, help="the kit's kit.toml")
    enrolling = commands.add_parser("enrol", help="get a certificate with a one-time token, or --renew it")
    enrolling.add_argument("token", nargs="?", help="the token as issued; - reads it from standard input")
    enrolling.add_argument("--data", type=Path, required=True, help="the kit's data folder")
    enrolling.add_argument("--renew", metavar="URL", help="renew the present certificate at this EST address")
    enrolling.add_argument("--mqtt", metavar="HOST:PORT", help="the centre's broker, for kit.toml")
    enrolling.add_argument("--door", metavar="URL", help="the centre's devices' door, for kit.toml")
    enrolling.add_argument("--court", default="", help="the court's code, for kit.toml")
    enrolling.add_argument("--pkcs11", metavar="MODULE", help="make the signing key in a token, by this library")
    enrolling.add_argument("--token-label", default="", help="the token's label")
    enrolling.add_argument("--pin-file", default="", help="file whose first line is the token's PIN")
    return parser
