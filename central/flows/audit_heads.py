"""Heads of the audit chain: signed while the centre runs, witnessed on another medium, compared on demand."""

from __future__ import annotations

from pathlib import Path

from central.audit import heads, queries, service
from central.audit.rules import WitnessError
from central.audit.verification import Report
from central.base.handover import list_receipt_keys
from central.base.receipt_key import find_receipt_key
from central.base.settings import Settings
from central.base.unit_of_work import Store


def sign_head(store: Store, settings: Settings) -> int:
    """Sign the chain's head when it is due and has grown, and let the witness file follow; returns its row, or 0.

    Without a receipt key nothing is signed. Raises WitnessError when the witness file cannot be written, or when it
    knows of rows that the database no longer has; AuditBrokenError when the last signed row was changed;
    ReceiptKeyMissingError when the key is there and unreadable.
    """
    key = find_receipt_key(Path(settings.keys_dir))
    if key is None:
        return 0
    if settings.audit_witness_file:
        _check_witnessed(store, Path(settings.audit_witness_file))
    signed = 0
    if _is_due(store, settings):
        with store.write() as uow:
            head = service.write_head(uow, key)
            signed = head.seq if head else 0
    if settings.audit_witness_file:
        _follow(store, Path(settings.audit_witness_file))
    return signed


def check_audit(store: Store, settings: Settings, *, witness: Path | None = None, since: int = 1) -> Report:
    """Recompute the chain from row `since` on; compare it with every head in the database and in the witness file.

    Raises WitnessError, TrustListError, ReceiptKeyMissingError for a file that cannot be used.
    """
    path = witness or (Path(settings.audit_witness_file) if settings.audit_witness_file else None)
    # The settings' witness file may not have been begun; one named by hand must be there.
    witnessed = heads.read_witness(path) if path and (witness or path.exists()) else []
    keys = list_receipt_keys(settings)
    with store.read() as session:
        return queries.check_chain(session, keys, witness=witnessed, since=since)


def _is_due(store: Store, settings: Settings) -> bool:
    with store.read() as session:
        seq, _digest = queries.find_tail(session)
        last = queries.find_last_head(session)
    if last is None:
        return seq > 0
    return seq > last.seq and store.clock.now_ms() - last.at_ms >= settings.audit_head_every_s * 1000


def _check_witnessed(store: Store, path: Path) -> None:
    seen = heads.last_witnessed(path)
    with store.read() as session:
        seq, _digest = queries.find_tail(session)
    if seen > seq:
        raise WitnessError(
            f"The witness file {path} knows {seen} audit rows and the database only {seq}: run "
            "`zhixing-central verify-audit`; after restoring a backup begin a new witness file."
        )


def _follow(store: Store, path: Path) -> None:
    """Append the heads the witness file has not seen."""
    with store.read() as session:
        missing = queries.list_heads(session, after_seq=heads.last_witnessed(path))
    if missing:
        heads.append_witness(path, missing)
