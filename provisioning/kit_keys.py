"""Which keys a kit may be certified for: that of its enrolment and one more, the signing key in its token.

Whoever copies a kit's card holds the key of its certificate. He may renew it until it is revoked, but gets no
certificate for a key of his own once the kit has both: what the token's key signs stays beyond him. A kit with
another key needs a new enrolment token, and so an administrator.
"""

from __future__ import annotations

from typing import Final

from provisioning.rows import CertificateRow
from provisioning.rules import CertificateSupersededError, TooManyKeysError
from provisioning.state import Transaction

MAX_KEYS: Final = 2


def check_keys(transaction: Transaction, current: CertificateRow, wanted: bytes) -> None:
    """Check that the key of `current` is the kit's present one, and that the `wanted` one may have a certificate.

    Raises CertificateSupersededError, TooManyKeysError.
    """
    since_ms = transaction.find_enrolled_ms(current.kit_id)
    rows = transaction.list_certificates(current.kit_id)
    keys = {row.key_digest for row in rows if row.issued_at_ms >= since_ms and row.revoked_at_ms is None}
    if current.key_digest not in keys:
        raise CertificateSupersededError("This kit was enrolled anew since; its earlier certificate opens nothing.")
    if wanted not in keys and len(keys) >= MAX_KEYS:
        raise TooManyKeysError(
            f"{current.kit_id} has certificates for {MAX_KEYS} keys; enrol it with a new token for another."
        )
