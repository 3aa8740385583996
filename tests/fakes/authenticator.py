"""An authenticator in software: makes passkeys and proves them as WebAuthn says; can be made to misbehave."""

from __future__ import annotations

import json
import secrets
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import ES256
from fido2.utils import sha256, websafe_decode, websafe_encode
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData, CollectedClientData

FLAG = AuthenticatorData.FLAG


class Authenticator:
    """Holds one key. `counter` grows with each use; `flags` are those it claims."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.credential_id = secrets.token_bytes(32)
        self.counter = 1
        self.flags = FLAG.UP | FLAG.UV

    def register(self, options: dict[str, Any]) -> str:
        """Answer `navigator.credentials.create`."""
        client = self._client(CollectedClientData.TYPE.CREATE, options)
        data = AttestedCredentialData.create(
            bytes(16), self.credential_id, ES256.from_cryptography_key(self.key.public_key())
        )
        auth = AuthenticatorData.create(
            sha256(options["rp"]["id"].encode()), self.flags | FLAG.AT, self.counter, bytes(data)
        )
        attestation = AttestationObject.create("none", auth, {})
        return self._answer(
            clientDataJSON=websafe_encode(client), attestationObject=websafe_encode(bytes(attestation))
        )

    def prove(self, options: dict[str, Any]) -> str:
        """Answer `navigator.credentials.get`."""
        self.counter += 1
        client = self._client(CollectedClientData.TYPE.GET, options)
        auth = AuthenticatorData.create(sha256(options["rpId"].encode()), self.flags, self.counter)
        signature = self.key.sign(bytes(auth) + sha256(bytes(client)), ec.ECDSA(hashes.SHA256()))
        return self._answer(
            clientDataJSON=websafe_encode(client),
            authenticatorData=websafe_encode(bytes(auth)),
            signature=websafe_encode(signature),
        )

    def _client(self, kind: str, options: dict[str, Any]) -> CollectedClientData:
        return CollectedClientData.create(kind, websafe_decode(options["challenge"]), self.origin)

    def _answer(self, **response: str) -> str:
        name = websafe_encode(self.credential_id)
        return json.dumps(
            {"id": name, "rawId": name, "type": "public-key", "clientExtensionResults": {}, "response": response}
        )


__all__ = ["FLAG", "Authenticator"]
