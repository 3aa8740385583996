"""`zhixing-verify PACKAGE`: checks an evidence package with no decryption key and no network.

Stands alone: needs nothing but `contract` and what `contract` stands on. Exit codes: 0 genuine, 1 broken, 2 the
input cannot be used, 3 intact but the signer is unproven (no trust anchor was given).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final, NoReturn

from contract.continuity import Continuity
from contract.findings import Judgement, Verdict
from contract.judgement import judge
from contract.package import PackageError, Reader
from contract.phrases import LANGUAGES, LINES, REMARKS, VERDICTS, WHAT, make_plain, say, say_cause, say_finding
from contract.signers import Anchor, AnchorError, load_anchor, parse_fingerprint

PROGRAM: Final = "zhixing-verify"
EXIT_CODES: Final = {Verdict.GENUINE: 0, Verdict.BROKEN: 1, Verdict.UNPROVEN: 3}
UNUSABLE: Final = 2
CHINA: Final = timezone(timedelta(hours=8), "Asia/Shanghai")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(UNUSABLE, f"{PROGRAM}: {message}; see `{PROGRAM} --help`.\n")


def verify_package(path: Path, anchor: Anchor | None) -> Judgement:
    """Read and judge one package.

    Raises:
        PackageError: the file is no package.
        AnchorError: the anchor cannot be used with it.
        OSError: the file cannot be read.
    """
    with Reader(path) as reader:
        return judge(reader.read_contents(), anchor)


def main(arguments: Sequence[str] | None = None) -> int:
    """Check one package and print the verdict; give the exit code."""
    options = _make_parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        judgement = verify_package(options.package, _read_anchor(options))
    except (PackageError, AnchorError) as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return UNUSABLE
    except OSError as error:
        print(f"{PROGRAM}: {error.filename} cannot be read ({error.strerror}).", file=sys.stderr)
        return UNUSABLE
    if options.json:
        print(json.dumps(describe(judgement, options.lang), ensure_ascii=False, indent=1))
    else:
        print("\n".join(write_lines(judgement, options.lang)))
    return EXIT_CODES[judgement.verdict]


def describe(judgement: Judgement, language: str) -> dict[str, Any]:
    """The judgement as JSON values; `finding.sentence` is in `language`."""
    described: dict[str, Any] = asdict(judgement)
    described["verdict"] = judgement.verdict.value
    if judgement.finding is not None:
        described["finding"]["sentence"] = say_finding(judgement.finding, language)
    return described


def write_lines(judgement: Judgement, language: str) -> list[str]:
    """The judgement for people, line by line."""

    def line(text: str, /, **values: object) -> str:
        return say(LINES[text], language, **values)

    lines = [line("verdict", verdict=say(VERDICTS[judgement.verdict], language))]
    finding = judgement.finding
    if finding is not None:
        what = say(WHAT[finding.what], language)
        lines.append(line("finding", what=what, sentence=say_finding(finding, language)))
    if judgement.verdict is Verdict.UNPROVEN:
        lines.append(line("anchor_hint"))
    if judgement.kit_id is not None:
        lines.append(line("kit", kit=judgement.kit_id, recording=judgement.recording_id))
    if judgement.session is not None:
        lines.append(line("session", session=judgement.session))
    if judgement.root_fingerprint is not None:
        lines.append(line("root", root=judgement.root_fingerprint))
    if judgement.continuity is not None:
        counts = (judgement.record_count, judgement.segment_count, len(judgement.disclosed))
        lines.append(line("counts", records=counts[0], segments=counts[1], disclosed=counts[2]))
        if judgement.absent:
            lines.append(line("absent", count=len(judgement.absent), numbers=_show_numbers(judgement.absent)))
        lines.extend(_write_continuity(judgement, judgement.continuity, language))
    lines.extend(line("remark", sentence=say(REMARKS[code], language)) for code in judgement.remarks)
    lines.extend(line("note", key=make_plain(key), value=make_plain(value)) for key, value in judgement.notes.items())
    return lines


def _write_continuity(judgement: Judgement, continuity: Continuity, language: str) -> list[str]:
    lines = [
        say(
            LINES["span" if judgement.session is None else "session_span"],
            language,
            start=_show_time(continuity.started_ms),
            end=_show_time(continuity.ended_ms),
            seconds=_show_seconds(continuity.recorded_ms),
        )
    ]
    if not continuity.gaps:
        lines.append(say(LINES["no_gap"], language))
    for gap in continuity.gaps:
        lines.append(
            say(
                LINES["gap"],
                language,
                seq=gap.seq,
                cause=make_plain(say_cause(gap.cause, language)),
                start=_show_time(gap.started_ms),
                seconds=_show_seconds(gap.duration_ms),
            )
        )
    if continuity.end_cause is None:
        lines.append(say(LINES["open_end"], language))
    else:
        lines.append(say(LINES["end"], language, cause=make_plain(say_cause(continuity.end_cause, language))))
    return lines


def _show_numbers(numbers: Sequence[int]) -> str:
    shown = ", ".join(str(number) for number in numbers[:20])
    return shown + (" …" if len(numbers) > 20 else "")


def _show_time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, CHINA).strftime("%Y-%m-%d %H:%M:%S")


def _show_seconds(span_ms: int) -> str:
    return f"{span_ms / 1000:.1f}"


def _read_anchor(options: argparse.Namespace) -> Anchor | None:
    if options.anchor is not None:
        return load_anchor(options.anchor.read_bytes())
    if options.fingerprint is not None:
        return parse_fingerprint(options.fingerprint)
    return None


def _make_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog=PROGRAM, description="Check an evidence package; needs no key and no network.")
    parser.add_argument("package", type=Path, help="the exported package")
    anchor = parser.add_mutually_exclusive_group()
    anchor.add_argument("--anchor", type=Path, metavar="FILE", help="the device authority's root.crt")
    anchor.add_argument("--fingerprint", metavar="HEX", help="SHA-256 of the device authority's root certificate")
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")
    parser.add_argument("--lang", choices=LANGUAGES, default="zh", help="language of the verdict (default: zh)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
