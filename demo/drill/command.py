"""The options of ``zhixing-demo drill``; apart from the drill itself, which needs what only tests install."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``zhixing-demo drill``."""
    parser.add_argument("--kills", type=int, default=300, help="how many kills (default: 300)")
    parser.add_argument("--minutes", type=float, default=25.0, help="over how long a time (default: 25)")
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="sqlite")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same plan")
    parser.add_argument("--kits", type=int, default=3, choices=range(1, 6))
    parser.add_argument("--folder", type=Path, help="keep everything here (default: a folder that is removed)")
    parser.add_argument("--out", type=Path, help="write NAME-DATABASE.json and .md beside printing")
    parser.add_argument("--without-volumes", action="store_true", help="no loop devices, though root could")
