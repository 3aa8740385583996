"""A kit that is no longer with its officer: locked, unlocked, or its keys destroyed, each on the centre's order.

The state "lost" is what every process reads: {step: locked | destroying | destroyed, since_ms, by, reason}. Locked,
the recorder ends its recording and begins none, panel and page obey nothing but SOS, and the position goes on.

Destruction is a sequence that survives a restart at any place: state "destroying"; the recorder closes its chain;
the signed statement is in the outbox and the order is handled, both in one transaction; chain records and statement
are receipted by the centre, or WAIT_S of running time have passed (a thief may cut the link, and restarts of the
process count on); the keys are overwritten, cut to nothing and unlinked; state "destroyed". What an overwritten
block of a flash card still holds is beyond a program: only a key in a token or an encrypted card is gone for good.
"""

import base64
import binascii
import logging
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from contract import chain, lost, messages, orders
from contract.signing import CodecError, Signed
from edge.reach.identity import Identity, IdentityError, sync_folder
from edge.settings import Settings
from edge.spool import Order, Spool, open_spool
from edge.token_key import Token, TokenError

log = logging.getLogger("zhixing.lost")

KEY_FILES = ("device.key", "device.key.pending", "device.key.new", "device.key.tmp")
CLOSING_S = 10.0  # the recorder's time to close its chain
WAIT_S = 120.0  # for the centre's receipt
SAVE_EVERY_S = 5.0
STEP_S = 0.25
IDLE_S = 5.0


class LostKit:
    """Obeys ``lost`` orders in the control process; `turn()` takes a destruction one step further."""

    def __init__(
        self,
        spool: Spool,
        identity: Identity,
        ring: Callable[[str], object],
        *,
        token: Token | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spool = spool
        self._identity = identity
        self._ring = ring
        self._token = token
        self._monotonic_s = monotonic_s
        self._turned_s = monotonic_s()
        self._retry_s = self._turned_s
        self._unsaved_s = SAVE_EVERY_S  # every start counts: whoever keeps cutting the power gains nothing

    @property
    def due_s(self) -> float:
        """When `turn` should come next."""
        return STEP_S if (self._read() or {}).get("step") == "destroying" else IDLE_S

    def obey(self, order: Order) -> str | None:
        """Carry out an order; the note for its receipt, or None while a destruction is under way.

        Raises contract.messages.MessageError, and CodecError or BadSignatureError for a destruction that the device
        authority has not permitted: the centre alone, conquered or not, destroys no key.
        """
        told = messages.decode(order.body, orders.LostOrder)
        present = self._read() or {}
        if present.get("step") in ("destroying", "destroyed"):
            return None if order.number == present.get("number") else "the keys are being destroyed"
        if told.step == "unlock":
            self._spool.state.set("lost", None)
            self._tell()
            return "unlocked"
        if told.step == "destroy":
            self._check_permit(told.permit)
        step = "locked" if told.step == "lock" else "destroying"
        facts = {"step": step, "since_ms": time.time_ns() // 1_000_000, "by": told.by, "reason": told.reason}
        self._spool.state.set("lost", {**facts, "number": order.number, "waited_s": 0.0})
        log.warning("lost: %s by order %d", step, order.number)
        self._turned_s, self._unsaved_s = self._monotonic_s(), 0.0
        self._tell()
        return "locked" if step == "locked" else None

    def _check_permit(self, text: str) -> None:
        if not text:
            raise CodecError("The device authority has not permitted that this kit destroys its keys.")
        try:
            permit = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (binascii.Error, ValueError) as error:
            raise CodecError("The permit to destroy is not base64url.") from error
        identity = self._identity
        lost.verify_permit(identity.root_key, permit, kit_id=identity.kit_id, key=identity.key.public_key())

    def turn(self) -> bool:
        """One step of a destruction under way; True once the keys are gone."""
        facts = self._read()
        now_s = self._monotonic_s()
        elapsed_s, self._turned_s = now_s - self._turned_s, now_s
        if facts is None or facts.get("step") != "destroying":
            return False
        self._unsaved_s += elapsed_s
        waited_s = float(facts.get("waited_s", 0.0)) + self._unsaved_s
        if "proof_seq" not in facts:
            if self._spool.vault.open_recordings() and waited_s < CLOSING_S:
                self._save(facts, waited_s)
                return False
            self._state_destruction(facts)
            return False
        if not self._is_told(int(facts["proof_seq"])) and waited_s < WAIT_S:
            self._save(facts, waited_s)
            return False
        return self._destroy(facts)

    def _state_destruction(self, facts: dict[str, Any]) -> None:
        number, now_ms = int(facts["number"]), time.time_ns() // 1_000_000
        public = [self._identity.key.public_key(), *self._list_token_keys()]
        statement = lost.DestructionStatement(
            kit_id=self._identity.kit_id,
            spool=self._spool.id,
            order=number,
            at_ms=now_ms,
            keys=[lost.key_digest(key) for key in public],
            heads=list_heads(self._spool),
            unsent_segments=self._spool.vault.count_pending(),
        )
        signed = lost.sign_statement(self._identity.key, statement)
        receipt = messages.CommandReceipt(
            number=number,
            state="done",
            at_ms=now_ms,
            note="the keys go as soon as this is receipted",
            proof=base64.urlsafe_b64encode(signed).rstrip(b"=").decode(),
        )
        with self._spool.transaction():
            seq = self._spool.outbox.append("receipt", messages.encode(receipt), urgent=True)
            self._spool.inbox.mark_handled(number)
            self._spool.state.set("lost", {**facts, "proof_seq": seq, "waited_s": 0.0})
        self._unsaved_s = 0.0

    def _is_told(self, proof_seq: int) -> bool:
        return not self._spool.outbox.is_pending(proof_seq) and self._spool.outbox.count(("chain",)) == 0

    def _destroy(self, facts: dict[str, Any]) -> bool:
        if self._turned_s < self._retry_s:
            return False
        told = self._is_told(int(facts["proof_seq"]))
        token_left = not self._destroy_token_key()
        try:
            for name in KEY_FILES:
                destroy_file(self._identity.folder / name)
        except OSError as error:
            # A card that takes nothing keeps the key for now; it must not keep the kit from calling for help.
            log.critical("lost: a key cannot be destroyed yet (%s); it is tried again", error)
            self._retry_s = self._turned_s + IDLE_S
            return False
        now_ms = time.time_ns() // 1_000_000
        self._spool.state.set(
            "lost", {**facts, "step": "destroyed", "destroyed_ms": now_ms, "told": told, "token_left": token_left}
        )
        log.warning(
            "lost: the keys are destroyed; the centre %s the statement", "holds" if told else "has not receipted"
        )
        self._tell()
        return True

    def _list_token_keys(self) -> list[EllipticCurvePublicKey]:
        try:
            return [] if self._token is None else [self._token.public_key()]
        except TokenError as error:
            log.error("lost: %s", error)
            return []  # it is not claimed to be destroyed

    def _destroy_token_key(self) -> bool:
        try:
            if self._token is not None:
                self._token.destroy()
        except TokenError as error:
            # A token that was pulled keeps its key: the statement then claims less, or the loss is told here.
            log.error("lost: the token's key could not be destroyed: %s", error)
            return False
        return True

    def _save(self, facts: dict[str, Any], waited_s: float) -> None:
        if self._unsaved_s >= SAVE_EVERY_S:
            self._unsaved_s = 0.0
            self._spool.state.set("lost", {**facts, "waited_s": waited_s})

    def _read(self) -> dict[str, Any] | None:
        facts = self._spool.state.get("lost")
        return facts if isinstance(facts, dict) else None

    def _tell(self) -> None:
        for who in ("recorder", "panel", "screen"):
            self._ring(who)


def list_heads(spool: Spool) -> list[lost.ChainHead]:
    """The last record of each of the newest recordings."""
    heads = []
    for recording_id in spool.vault.newest_recordings(lost.MAX_HEADS):
        record = spool.vault.find_last_record(recording_id)
        if record is not None:
            head = chain.link_hash(Signed(record.body, record.sig))
            heads.append(lost.ChainHead(recording_id=bytes.fromhex(recording_id), seq=record.seq, head=head))
    return heads


def destroy_file(path: Path) -> None:
    """Overwrite, cut and unlink a file, each step durable; what is not there is gone already.

    Through a link its target goes, and then the link. Raises OSError.
    """
    if path.is_symlink():
        destroy_file(path.resolve())
        path.unlink()
        return
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        size = max(os.fstat(handle).st_size, 1)
        for make in (secrets.token_bytes, bytes):
            os.pwrite(handle, make(size), 0)
            os.fsync(handle)
        os.ftruncate(handle, 0)
        os.fsync(handle)
    finally:
        os.close(handle)
    path.unlink()
    sync_folder(path.parent)


def check_not_destroyed(settings: Settings) -> None:
    """Raise IdentityError on a kit whose keys were destroyed; one enrolled anew since is whole again."""
    with open_spool(settings.spool_path) as spool:
        facts = spool.state.get("lost")
        if not isinstance(facts, dict) or facts.get("step") != "destroyed":
            return
        if (settings.data_dir / "device.key").exists():
            spool.state.set("lost", None)
            return
        since_ms = time.time_ns() // 1_000_000
        reason = "the keys of this kit were destroyed on the centre's order"
        spool.state.set("link_status", {"connected": False, "since_ms": since_ms, "reason": reason})
    raise IdentityError(
        f"The keys of this kit were destroyed on the centre's order ({_one_line(facts)}): enrol it anew to use it."
    )


def _one_line(facts: dict[str, Any]) -> str:
    return ", ".join(str(word) for word in (facts.get("reason"), facts.get("by")) if word) or "no reason given"
