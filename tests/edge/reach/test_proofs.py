"""What proves a request is small: on a thin link it goes with every segment."""

from __future__ import annotations

import jwt

from contract import door_auth
from edge.reach.identity import Identity
from edge.reach.proofs import Proofs

PATH = door_auth.segment_path(bytes(16), 12)


def test_the_certificate_is_shown_until_it_is_known_and_then_named(identity: Identity) -> None:
    proofs = Proofs(identity)
    proofs.renew(["n" * 48, "m" * 48])
    shown = proofs.make("PUT", PATH, bytes(32))
    assert "x5c" in jwt.get_unverified_header(shown)
    proofs.note_known()
    named = proofs.make("PUT", PATH, bytes(32))
    header = jwt.get_unverified_header(named)
    assert header[door_auth.THUMBPRINT] == identity.x5t() and "x5c" not in header
    assert len(named) < 600, "each segment carries it"
    claims = jwt.decode(named, options={"verify_signature": False})
    assert claims["nonce"] == "m" * 48 and set(claims) == set(door_auth.CLAIMS)
