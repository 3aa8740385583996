"""The manifest of a package: for people; whatever it says of the chain is checked against the chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from contract.chain import Kind, Record

FORMAT: Final = "zhixing-evidence-package"
SESSION_FORMAT: Final = "zhixing-session-package"
VERSION: Final = 1


def build_manifest(records: Sequence[Record], notes: Mapping[str, str]) -> dict[str, Any]:
    """The manifest of version 1, of a recording or of a session. Everything but `notes` follows from the records."""
    opening = records[0].extra
    whose = {"kit_id": opening["kit"]} if "kit" in opening else {"session": opening["session"]}
    segments = [record for record in records if record.kind is Kind.SEGMENT]
    gaps = [record for record in records if record.kind is Kind.GAP]
    return {
        "format": FORMAT if "kit" in opening else SESSION_FORMAT,
        "version": VERSION,
        "recording_id": records[0].recording_id.hex(),
        **whose,
        "started_at": _show_ms(records[0].started_ms),
        "records": len(records),
        "closed": records[-1].kind is Kind.FINAL,
        "segments": [
            {
                "number": record.seq,
                "file": f"segments/{record.seq:06d}.age",
                "started_at": _show_ms(record.started_ms),
                "duration_ms": record.duration_ms,
                "size_bytes": record.length,
                "sha256": record.cipher_hash.hex(),
            }
            for record in segments
        ],
        "gaps": [
            {
                "number": record.seq,
                "cause": record.cause,
                "started_at": _show_ms(record.started_ms),
                "duration_ms": record.duration_ms,
            }
            for record in gaps
        ],
        "notes": dict(notes),
    }


def _show_ms(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
