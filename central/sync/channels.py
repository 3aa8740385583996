"""Sealed channels at the centre: frames of kits opened, the centre's words sealed (`contract.channel`).

Whatever lies between a kit and this process, a zone that was conquered included, can neither read nor forge what
passes here; all it can do is to withhold it. Used on the intake's event loop only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from central.base.clock import Clock
from central.base.settings import Settings, SettingsError
from central.sync.admission import Admission, Gate, RefusedError
from central.sync.decoding import Reject
from contract.channel import (
    KIND,
    CentreChannel,
    ChannelError,
    Opening,
    UnknownChannelError,
    is_frame,
    read_frame,
)
from contract.envelope import identities_from_file_text
from contract.names import BadNameError, cmd_subject, split_up_subject

log = logging.getLogger(__name__)

# A kit that reconnects leaves frames of its channel before on their way.
KEPT_OF_A_KIT: Final = 3
ASK_EVERY_MS: Final = 1000


class Channels:
    """Every kit's newest channels, by name. ``is_required``: a kit that speaks openly is not listened to."""

    def __init__(
        self,
        gate: Gate,
        identity: X25519PrivateKey,
        clock: Clock,
        *,
        is_required: bool,
        on_admitted: Callable[[Admission], None],
        on_reject: Callable[[Reject], None],
        send: Callable[[str, bytes], None],
    ) -> None:
        self._gate = gate
        self._identity = identity
        self._clock = clock
        self.is_required = is_required
        # Whether what is not sealed concerns us: where no kit seals, it costs the busy path next to nothing.
        self.minds_open = is_required
        self._on_admitted = on_admitted
        self._on_reject = on_reject
        self._send = send
        self._open: dict[str, list[CentreChannel]] = {}
        self._asked: dict[str, int] = {}

    def hear(self, subject: str, data: bytes) -> bytes | None:
        """As `open`; what cannot be opened is handed to ``on_reject``, and None is returned."""
        try:
            return self.open(subject, data)
        except UnknownChannelError:
            return None  # the kit was asked to open anew, and says again what has no receipt
        except (ChannelError, BadNameError) as error:
            name = subject.split(".", 2)[1][:64]
            self._on_reject(Reject(name, subject[:96], "seal_broken", str(error), data))
        except RefusedError as refusal:
            self._on_reject(Reject(subject.split(".", 2)[1][:64], "connect", refusal.code, str(refusal), b""))
        return None

    def open(self, subject: str, data: bytes) -> bytes:
        """The payload of what came on an uplink subject; raises ChannelError, RefusedError, BadNameError."""
        if not is_frame(data):
            if self.is_required:
                raise ChannelError("The message is not sealed: set [mqtt] sealed = true in kit.toml.")
            if self._open:
                self._open.pop(subject.split(".", 2)[1], None)  # it speaks openly again
            return data
        kit_id, kind = split_up_subject(subject)
        frame = read_frame(data)
        channel = self._find(kit_id, frame.channel_id)
        if channel is None:
            if frame.opening is None:
                self._ask(kit_id)
                raise UnknownChannelError("A sealed message came before its channel was opened here.")
            channel = self._begin(kit_id, frame.opening)
        payload = channel.open_frame(kind, frame)
        if frame.opening is not None:
            self._send(cmd_subject(kit_id, KIND), channel.seal(KIND, b""))
        return payload

    def seal(self, subject: str, payload: bytes) -> bytes | None:
        """What to send on a ``cmd`` subject; None: a kit without a channel must not be told anything here."""
        _, kit_id, kind = subject.split(".", 2)
        channels = self._open.get(kit_id)
        if not channels:
            return None if self.is_required else payload
        return channels[-1].seal(kind, payload)

    def _find(self, kit_id: str, channel_id: bytes) -> CentreChannel | None:
        found = (channel for channel in self._open.get(kit_id, ()) if channel.channel_id == channel_id)
        return next(found, None)

    def _begin(self, kit_id: str, opening: Opening) -> CentreChannel:
        """A channel whose opening the kit's own certificate vouches for, in force by the register here."""
        try:
            certificate = x509.load_der_x509_certificate(opening.certificate)
        except ValueError as error:
            raise ChannelError(f"The certificate in an opening cannot be read: {error}.") from error
        admission = self._gate.admit(certificate, self._clock.now_ms())
        if kit_id != admission.kit.kit_id or opening.kit_id != kit_id:
            raise ChannelError(f"The opening is of {opening.kit_id[:64]!r}, but came under {kit_id}'s name.")
        opening.check_signature(admission.public_key)
        channel = CentreChannel(opening, self._identity)
        self.minds_open = True
        self._open[kit_id] = [*self._open.get(kit_id, [])[1 - KEPT_OF_A_KIT :], channel]
        self._on_admitted(admission)
        return channel

    def forget(self, kit_ids: Iterable[str]) -> None:
        """Open and seal no more with these kits until they open anew, which revoked ones cannot."""
        for kit_id in kit_ids:
            self._open.pop(kit_id, None)

    def _ask(self, kit_id: str) -> None:
        now_ms = self._clock.now_ms()
        if now_ms - self._asked.get(kit_id, 0) >= ASK_EVERY_MS:
            self._asked[kit_id] = now_ms
            self._send(cmd_subject(kit_id, KIND), b"")


def open_channels(
    settings: Settings,
    gate: Gate,
    clock: Clock,
    *,
    on_admitted: Callable[[Admission], None],
    on_reject: Callable[[Reject], None],
    send: Callable[[str, bytes], None],
) -> Channels | None:
    """The channels of this centre; None where it holds no key of its own. Raises SettingsError inside without one."""
    path = Path(settings.keys_dir) / "centre.age"
    is_required = settings.role == "inside"
    if not path.exists() and not is_required:
        return None
    try:
        (identity,) = identities_from_file_text(path.read_text())
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"The centre's key {path} cannot be read ({error}): restore it from the device authority's hand-over; "
            "what kits seal opens with nothing else."
        ) from error
    return Channels(
        gate, identity, clock, is_required=is_required, on_admitted=on_admitted, on_reject=on_reject, send=send
    )
