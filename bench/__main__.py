"""``python -m bench [NAME ...]``; all of them without a name.

Names: intake, sos, kit, cases, revoke, link, live, voice, relay, drill.
"""

from __future__ import annotations

import sys

from bench import cases, drill, intake, kit, link, live, relay, revoke, sos, voice
from bench.report import report_machine

_MEASURES = {
    "kit": kit.measure,
    "intake": intake.measure,
    "sos": sos.measure,
    "cases": cases.measure,
    "revoke": revoke.measure,
    "link": link.measure,
    "live": live.measure,
    "voice": voice.measure,
    "relay": relay.measure,
    "drill": drill.measure,
}


def main() -> None:
    """Print the machine, then the figures asked for."""
    names = sys.argv[1:] or list(_MEASURES)
    unknown = [name for name in names if name not in _MEASURES]
    if unknown:
        sys.exit(f"bench: {unknown[0]!r} is not measured here; choose from {', '.join(_MEASURES)}.")
    report_machine()
    for name in names:
        _MEASURES[name]()


if __name__ == "__main__":
    main()
