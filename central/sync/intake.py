"""What kits say, committed: one transaction per batch, then receipts for exactly what was committed.

Nothing set aside is ever receipted, so a kit never gives up what the centre could not use; repeats of it are
counted and kept once.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial

from sqlalchemy.exc import OperationalError

from central.base.unit_of_work import Store, UnitOfWork
from central.devices import service as devices
from central.devices.boots import NO_NUMBER, BootBook
from central.devices.feed import live_position
from central.devices.rules import ItemKey, ItemRow, KitRef, PositionRow, digest_fix, position_row
from central.devices.times import Moment, claim_of_report
from central.evidence import service as evidence
from central.flows.felt import receive_command_receipt
from central.flows.sos import receive_alarm
from central.flows.times import settle_times
from central.sync.admission import Gate
from central.sync.aside import Aside, reused
from central.sync.batch import UNNUMBERED_KINDS, URGENT_KINDS, Batch, Memory, Outcome
from central.sync.decoding import Decoder, Entry, Fixes, Reject
from central.sync.receipts import SpoolKey
from central.sync.signers import keep_token_signer
from central.sync.signs import note_goodbye, note_heard, note_links
from central.sync.tally import Tally

log = logging.getLogger(__name__)


class Intake:
    """Commits batches; used by one thread at a time."""

    def __init__(
        self,
        store: Store,
        directory: devices.KitDirectory,
        *,
        set_aside_max: int = 10_000,
        neighbour_radius_m: int = 0,
        gate: Gate | None = None,
    ) -> None:
        self._store = store
        self._gate = gate
        self._directory = directory
        self._decoder = Decoder(directory)
        self._markers = devices.KitMarkers()
        self._boots = BootBook()
        self._aside = Aside(set_aside_max)
        self._refused_records = Memory()
        self._signers: set[str] = set()
        self._neighbour_radius_m = neighbour_radius_m
        self._tally = Tally()

    def repair(self) -> int:
        """Close what a crash left between the trail and the live markers; returns how many markers moved."""
        with self._store.write() as uow:
            return self._markers.repair(uow)

    def commit(self, batch: Batch) -> Outcome:
        """Commit a batch; raises OperationalError when the database cannot, and then nothing of it is kept."""
        try:
            return self._commit(batch)
        except OperationalError:
            raise
        except Exception:
            # No message may stop the others, not even by a fault of ours: find it, set it aside, go on.
            log.exception("intake: a batch of %d messages failed, taking them one by one", len(batch.messages))
            return self._commit_singly(batch)

    def _commit_singly(self, batch: Batch) -> Outcome:
        outcome = self._commit(replace(batch, messages=[]))
        failed: list[Reject] = []
        for subject, data in batch.messages:
            try:
                outcome.add(self._commit(Batch(messages=[(subject, data)])))
            except OperationalError:
                raise
            except Exception as error:  # the same boundary, now with the culprit known
                text = f"{type(error).__name__}: {error}"
                failed.append(Reject(subject.split(".")[1][:64], subject, "failed", text[:500], data))
        if failed:
            outcome.add(self._commit(Batch(refusals=failed)))
        return outcome

    def _commit(self, batch: Batch) -> Outcome:
        decoded = self._decoder.decode(batch.messages)
        outcome = Outcome()
        with self._store.write() as uow:
            fresh = [item for item in batch.signers if item[0].serial not in self._signers]
            if fresh:
                self._refused_records.clear()  # what no known certificate had signed may now be proven
            for admission, chain_pem in fresh:
                evidence.keep_signer(uow, admission.kit, admission.serial, chain_pem)
            note_links(uow, self._markers, batch.links)
            rows = self._store_fixes(uow, decoded.fixes, decoded.rejects, outcome)
            self._take_entries(uow, decoded.entries, decoded.rejects, outcome)
            self._aside.keep(uow, [*decoded.rejects, *batch.refusals])
            note_heard(self._markers, self._directory, batch.heard)
            if batch.flush_markers:
                self._markers.flush(uow)
                if self._tally.is_due(uow.now_ms):
                    self._tally.write(uow)
            self._settle_times(uow, at_once=batch.flush_markers)
        self._signers.update(admission.serial for admission, _ in fresh)
        kits = {fixes.kit.kit_no: fixes.kit for fixes in decoded.fixes}
        for row in self._markers.note_fixes(rows):
            kit = kits[row.kit_no]
            outcome.moved.append(live_position(kit.kit_id, kit.court_code, row))
        outcome.fixes = len(rows)
        self._tally.add("fixes", outcome.fixes)
        self._tally.add("receipts", sum(map(len, outcome.receipts.values())))
        self._tally.add("batches")
        return outcome

    def _store_fixes(
        self, uow: UnitOfWork, fixes: list[Fixes], rejects: list[Reject], outcome: Outcome
    ) -> list[PositionRow]:
        now_ms = uow.now_ms
        rows: list[PositionRow] = []
        owners: list[SpoolKey] = []
        for kit, spool, items, boot in fixes:
            kit_no = kit.kit_no
            spool_no = self._directory.spool_no(uow, kit_no, spool)
            key = (kit.kit_id, spool)
            anchor = self._boots.see_fixes(uow, kit_no, boot, spool_no, items)
            for item in items:
                at_ms, fix = item.at_ms, item.body
                digest = digest_fix(at_ms, fix)
                if anchor is None or (fix.fix_ms is not None and not fix.suspect):
                    written_ms = None  # satellite time needs no help
                else:
                    written_ms = anchor.guess(item.mono_ms)
                row = position_row(
                    kit_no, spool_no, item.seq, at_ms, fix, digest=digest, received_ms=now_ms, written_ms=written_ms
                )
                rows.append(row)
                owners.append(key)
        taken = set(devices.store_positions(uow, rows))
        receipts = outcome.receipts
        for index, (key, row) in enumerate(zip(owners, rows, strict=True)):
            if index in taken:
                rejects.append(reused(key, row.seq, "position", repr(row).encode()))
            elif key in receipts:
                receipts[key].append(row.seq)
            else:
                receipts[key] = [row.seq]
        return [row for index, row in enumerate(rows) if index not in taken] if taken else rows

    def _take_entries(self, uow: UnitOfWork, entries: list[Entry], rejects: list[Reject], outcome: Outcome) -> None:
        if not entries:
            return
        for entry in entries:  # outside the savepoint: a spool's number is remembered
            self._directory.spool_no(uow, entry.kit.kit_no, entry.spool)
        attempt, refused = Outcome(), list[Reject]()
        savepoint = uow.session.begin_nested()
        try:
            self._take_together(uow, entries, refused, attempt)
            savepoint.commit()
        except OperationalError:
            raise
        except Exception:
            # Whatever one kit can say must not stop the others: find the bad one, set it aside, go on.
            savepoint.rollback()
            log.exception("intake: a batch of %d items failed, taking them one by one", len(entries))
            attempt, refused = Outcome(), []
            for entry in entries:
                self._take_alone(uow, entry, refused, attempt)
        rejects.extend(refused)
        outcome.add(attempt)

    def _take_alone(self, uow: UnitOfWork, entry: Entry, rejects: list[Reject], outcome: Outcome) -> None:
        attempt, refused = Outcome(), list[Reject]()
        savepoint = uow.session.begin_nested()
        try:
            self._take_together(uow, [entry], refused, attempt)
            savepoint.commit()
        except OperationalError:
            raise
        except Exception as error:  # the same boundary, now with the culprit known
            savepoint.rollback()
            text = f"Item {entry.seq}: {type(error).__name__}: {error}"
            rejects.append(Reject(entry.kit.kit_id, entry.subject, "failed", text[:500], entry.raw))
            return
        rejects.extend(refused)
        outcome.add(attempt)

    def _take_together(self, uow: UnitOfWork, entries: list[Entry], rejects: list[Reject], outcome: Outcome) -> None:
        for entry in entries:
            self._see_boot(uow, entry)
            self._markers.note_heard(entry.kit.kit_no, uow.now_ms)
            if entry.kind == "beat" and entry.body.bye:
                note_goodbye(uow, entry.kit, entry.body.bye)
            elif entry.kind == "hello":
                self._keep_token_signer(uow, entry, rejects)
                devices.record_hello(uow, entry.kit, entry.body, at_ms=entry.at_ms, received_ms=uow.now_ms)
                outcome.hellos.append((entry.kit, entry.body.have))
        kept = self._join_chains(uow, [entry for entry in entries if entry.kind not in UNNUMBERED_KINDS])
        keys = [
            ItemKey(entry.kit.kit_no, self._directory.spool_no(uow, entry.kit.kit_no, entry.spool), entry.seq)
            for entry in kept
        ]
        rows = [ItemRow(*key, entry.digest, entry.kind, uow.now_ms) for key, entry in zip(keys, kept, strict=True)]
        fresh, taken = devices.store_items(uow, rows)
        for index, (key, entry) in enumerate(zip(keys, kept, strict=True)):
            spool_key = (entry.kit.kit_id, entry.spool)
            if index in taken:
                rejects.append(reused(spool_key, entry.seq, entry.kind, entry.raw))
                continue
            if key in fresh:
                fresh.discard(key)
                self._act(uow, entry, key)
            outcome.receipt(spool_key, entry.seq)
            if entry.kind in URGENT_KINDS:
                outcome.urgent.add(spool_key)

    def _settle_times(self, uow: UnitOfWork, *, at_once: bool) -> None:
        """Tell the moments of alarms and recordings as well as is known now; about once a second is enough."""
        if at_once or self._boots.has_pressing:
            self._boots.flush(uow)
            for kit_no in self._boots.take_unsettled(uow):
                if settle_times(uow, kit_no, self._boots.place(uow.session, kit_no)):
                    self._boots.note_settled(uow, kit_no)

    def _see_boot(self, uow: UnitOfWork, entry: Entry) -> None:
        """Learn from an item when its boot was; health says besides what time the kit itself believes."""
        if entry.mono_ms is None:
            return
        kit_no = entry.kit.kit_no
        spool_no = self._directory.spool_no(uow, kit_no, entry.spool)
        # A greeting has no number of its own: it stands behind all that its spool holds.
        seq = entry.seq if entry.kind != "hello" else NO_NUMBER
        anchor = self._boots.see(uow, kit_no, entry.boot, spool_no, seq, entry.mono_ms)
        body = entry.body
        if entry.kind == "health" and body.utc_ms is not None and body.clock_error_ms is not None:
            claim = claim_of_report(body.utc_ms, body.clock_error_ms, entry.mono_ms, body.clock_source)
            self._boots.hear(kit_no, anchor, claim)

    def _keep_token_signer(self, uow: UnitOfWork, entry: Entry, rejects: list[Reject]) -> None:
        if not entry.body.signer or self._gate is None:
            return
        reject = keep_token_signer(uow, self._gate, entry)
        if reject is not None:
            rejects.append(reject)
        else:
            self._refused_records.clear()  # what no known certificate had signed may now be proven

    def _join_chains(self, uow: UnitOfWork, entries: list[Entry]) -> list[Entry]:
        """Offer chain records to evidence, kit by kit; returns the entries without refused records."""
        by_kit: dict[KitRef, list[Entry]] = {}
        refused: set[int] = set()
        for entry in entries:
            if entry.kind != "chain":
                continue
            if self._refused_records.knows((entry.kit.kit_no, entry.digest)):
                refused.add(id(entry))
                devices.add_to_counter(uow, "set_aside.chain_repeated", 1)
            else:
                by_kit.setdefault(entry.kit, []).append(entry)
        for kit, group in by_kit.items():
            verdicts = evidence.accept_chain_records(uow, kit, [entry.body for entry in group])
            for entry, verdict in zip(group, verdicts, strict=True):
                if verdict.verdict == "accepted" and verdict.seq == 0:
                    self._boots.ask_settling(kit.kit_no)
                if verdict.verdict == "refused":
                    refused.add(id(entry))
                    uow.after_commit(partial(self._refused_records.add, (kit.kit_no, entry.digest)))
        return [entry for entry in entries if id(entry) not in refused]

    def _act(self, uow: UnitOfWork, entry: Entry, key: ItemKey) -> None:
        kit, now_ms = entry.kit, uow.now_ms
        if entry.kind == "alarm":
            self._boots.ask_settling(kit.kit_no)
            receive_alarm(
                uow,
                kit,
                entry.body,
                key=key,
                digest=entry.digest,
                at_ms=entry.at_ms,
                received_ms=now_ms,
                neighbour_radius_m=self._neighbour_radius_m,
                boot=entry.boot if entry.mono_ms is not None else "",
            )
        elif entry.kind == "health":
            written_ms = self._boots.find_written_ms(kit.kit_no, entry.boot, entry.mono_ms)
            devices.record_health(uow, kit, entry.body, at_ms=entry.at_ms, received_ms=now_ms, written_ms=written_ms)
        elif entry.kind == "receipt" and not receive_command_receipt(
            uow, kit, entry.body, moment=Moment(entry.boot if entry.mono_ms is not None else "", entry.mono_ms)
        ):
            devices.add_to_counter(uow, "receipt.unknown_directive", 1)
