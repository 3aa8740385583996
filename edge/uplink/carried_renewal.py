"""The next certificate by way of the devices' door, for a kit that reaches a zone and not the authority.

The centre carries what the kit signed to the authority (`contract.renewal`); it neither issues nor vouches.
"""

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from contract import door_auth, renewal
from edge.reach.identity import Identity
from edge.uplink.door import Door, DoorUnreachableError
from edge.uplink.est import WAIT_S, EnrolmentError, RefusedError, WaitingError, make_signing_request, read_leaf


class NotCarriedError(EnrolmentError):
    """The door does not bring it to the authority: it knows nothing of it, or one of them is out of reach."""


class CarriedRenewal:
    """Asks through `door`, on whose thread it is used.

    What was asked for and not answered is asked for again in the same words: a zone takes it for the same request.
    """

    def __init__(self, door: Door) -> None:
        self._door = door
        self._statements: dict[tuple[int, bytes], bytes] = {}

    def request_certificate(self, identity: Identity, key: EllipticCurvePrivateKey) -> x509.Certificate:
        """The next certificate for `key`; raises NotCarriedError, WaitingError, RefusedError, EnrolmentError."""
        if self._door.in_flight:
            raise WaitingError("The door is busy with files: the certificate is asked for after them.", 0.0)
        statement = self._state(identity, key)
        try:
            answer = self._door.post(door_auth.RENEWAL_PATH, statement, renewal.MEDIA_TYPE)
        except DoorUnreachableError as error:
            raise NotCarriedError(f"The renewal was not carried: {error}.") from error
        if answer.status == 200:
            leaf = read_leaf(answer.body, key, identity.kit_id)
            self._statements.clear()
            return leaf
        if answer.problem == door_auth.HELD:
            raise WaitingError(
                "The zone holds the renewal until the centre has carried it.", answer.retry_after_s or WAIT_S
            )
        self._statements.clear()
        if answer.problem == door_auth.RENEWAL_REFUSED:
            raise RefusedError(f"The device authority refuses: {answer.detail}")
        raise NotCarriedError(f"The renewal was not carried: {answer.describe()}")

    def _state(self, identity: Identity, key: EllipticCurvePrivateKey) -> bytes:
        serial = identity.chain[0].serial_number
        spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        known = self._statements.get((serial, spki))
        if known is None:
            request = renewal.RenewalRequest(
                kit_id=identity.kit_id, serial=f"{serial:x}", csr=make_signing_request(key, identity.kit_id)
            )
            known = self._statements[serial, spki] = renewal.sign_request(identity.key, request)
        return known
