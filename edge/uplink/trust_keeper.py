"""The trust list in force: signed by the authority, never older than one already accepted."""

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from contract import trust
from edge.reach.identity import Identity, IdentityError
from edge.reach.trusted_time import TrustedTime
from edge.spool import Spool


class TrustKeeper:
    """One thread's view; the epoch lives in the spool's state "trust_epoch", the list in trust.cbor."""

    def __init__(
        self, spool: Spool, identity: Identity, trusted_time: TrustedTime, ring: Callable[[str], object]
    ) -> None:
        self._spool = spool
        self._identity = identity
        self._trusted_time = trusted_time
        self._ring = ring
        self._list: trust.TrustList | None = None
        # With the list that they stand in: they are asked for several times a segment.
        self._keys: tuple[trust.TrustList, list[Ed25519PublicKey]] | None = None
        self.trouble = ""

    @property
    def epoch(self) -> int:
        """The epoch accepted last; 0 for none."""
        return int(self._spool.state.get("trust_epoch", 0))

    def accept(self, data: bytes) -> trust.TrustList:
        """Put a new list in force and ring the recorder when it is newer.

        Raises CodecError, BadSignatureError or StaleListError; the old list then stays.
        """
        self.receipt_keys()  # a new spool knows no epoch yet; the list on the card does
        before = self.epoch
        fresh = self._identity.accept_trust(data, not_before_epoch=before)
        self._list = fresh
        self._trusted_time.learn_signed(fresh.issued_ms)
        if fresh.epoch != before:
            self._spool.state.set("trust_epoch", fresh.epoch)
            self._ring("recorder")
        return fresh

    def receipt_keys(self) -> list[Ed25519PublicKey]:
        """Whose receipts count; empty (nothing may be deleted) while there is no usable list."""
        epoch = self.epoch
        if self._list is None or self._list.epoch < epoch:
            try:
                self._list = self._identity.load_trust(not_before_epoch=epoch)
            except IdentityError as error:
                self._list, self.trouble = None, str(error)
                return []
            self.trouble = ""
            if self._list.epoch > epoch:
                self._spool.state.set("trust_epoch", self._list.epoch)
        if self._keys is None or self._keys[0] is not self._list:
            self._keys = (self._list, self._list.receipt_public_keys())
        return list(self._keys[1])
