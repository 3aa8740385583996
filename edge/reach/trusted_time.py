"""What time it can be: a floor below which it is not, because a kit's own clock may be wrong by years.

What the device authority has signed only raises it. What the centre says raises it, too, but within the dates of the
certificate that vouches for the centre, and a later word of the centre replaces an earlier one: a centre whose clock
was wrong for an hour, or in wrong hands, must not leave kits behind that hold every certificate for ended.

Python's ssl judges certificate dates by the system clock alone. So the dates are left out of OpenSSL's check
(X509_V_FLAG_NO_CHECK_TIME) and judged here, right after the handshake and before a byte is sent:

- the server's certificate must not have ended before the floor (the latest moment that surely has passed);
- where the clock agrees with the floor, or the centre has told the time, both dates must hold at that time.

Not possible: a lower bound cannot show that a certificate has ended since; and Python before 3.13 does not
show the intermediate's certificate, whose dates are therefore not judged (its signature and limits are).
"""

import logging
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from cryptography import x509

from edge.reach.clocks import Reading, age
from edge.spool.store import read_boot_ms

log = logging.getLogger("zhixing.time")

DAY_MS = 86_400_000
# A clock further ahead of the floor than this is not believed until the centre has told the time.
BELIEVED_AHEAD_MS = 400 * DAY_MS
# So close to the end of its certificate the centre is believed only where the kit's own clock says about the same.
LAST_DAYS_MS = 30 * DAY_MS
_ABOUT_MS = DAY_MS
_TOLERANCE_MS = 5_000
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of openssl/x509_vfy.h


class CertificateDateError(ssl.SSLCertVerificationError):
    """The server's certificate is outside its dates."""


class TrustedTime:
    """Shared by all threads of the control process; times in ms since 1970."""

    def __init__(
        self,
        floor_ms: int,
        *,
        signed_ms: int | None = None,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        monotonic_ms: Callable[[], int] = read_boot_ms,
    ) -> None:
        self._clock_ms = clock_ms
        self._monotonic_ms = monotonic_ms
        self._lock = threading.Lock()
        self._floor_ms = floor_ms
        self._floor_at_ms = monotonic_ms()
        # Of `floor_ms`, what rests on the authority's signature; by default all of it.
        self._signed_ms = floor_ms if signed_ms is None else signed_ms
        self._vouched_ms: int | None = None
        self._told = False
        self._reading: Reading | None = None

    def learn_signed(self, passed_ms: int) -> None:
        """A moment that has passed by the device authority's signature (a trust list's issue)."""
        with self._lock:
            self._signed_ms = max(self._signed_ms, passed_ms)
            if passed_ms > self._read_floor():
                self._floor_ms, self._floor_at_ms = passed_ms, self._monotonic_ms()

    def learn_floor(self, passed_ms: int) -> None:
        """A moment that has passed by the centre's word (an order's issue)."""
        with self._lock:
            if self._is_vouched(passed_ms) and passed_ms > self._read_floor():
                self._floor_ms, self._floor_at_ms = passed_ms, self._monotonic_ms()

    def learn_now(self, now_ms: int, *, round_trip_ms: int = 0) -> None:
        """The centre told the time over a verified connection, in answer to what was sent `round_trip_ms` ago.

        It read its clock some time in between, so half the round trip is the error. It may correct what it said
        before, but not what the authority has signed.
        """
        with self._lock:
            if not self._is_vouched(now_ms) or now_ms < self._signed_ms - _TOLERANCE_MS:
                return
            if now_ms + max(0, round_trip_ms) < self._read_floor() - _TOLERANCE_MS:
                log.warning("time: the centre corrects its clock by %d ms", now_ms - self._read_floor())
                self._reading = None
            elif now_ms < self._read_floor() - _TOLERANCE_MS:
                return  # an answer that was long on its way
            at_ms, half_ms = self._monotonic_ms(), max(0, round_trip_ms) // 2
            fresh = Reading("centre", now_ms + half_ms - at_ms, half_ms + 1, at_ms)
            if self._reading is None or _supersedes(fresh, self._reading):
                self._reading = fresh
            self._floor_ms, self._floor_at_ms, self._told = now_ms, at_ms, True

    def find_reading(self) -> Reading | None:
        """The most exact word of the centre since this process began, or None."""
        with self._lock:
            return self._reading

    def floor_ms(self) -> int:
        """The latest moment that surely has passed."""
        with self._lock:
            return self._read_floor()

    def find_now_ms(self) -> int | None:
        """The best belief about now, or None when only the floor is known."""
        with self._lock:
            floor, clock = self._read_floor(), self._clock_ms()
            if self._told:
                return floor
            return clock if floor - _TOLERANCE_MS <= clock <= floor + BELIEVED_AHEAD_MS else None

    def is_past(self, deadline_ms: int) -> bool:
        """Whether a deadline has surely passed."""
        now = self.find_now_ms()
        return deadline_ms < (self.floor_ms() if now is None else now)

    def describe(self) -> str:
        """The clock's state for the health report: at most 64 characters."""
        with self._lock:
            floor, clock = self._read_floor(), self._clock_ms()
            if self._told:
                off_s = (clock - floor) / 1000
                return "ok" if abs(off_s) < 2 else f"off by {off_s:+.0f} s against the centre"
            if clock < floor - _TOLERANCE_MS:
                return f"behind by at least {(floor - clock) // 1000} s"
            return "ok, not compared" if clock <= floor + BELIEVED_AHEAD_MS else "far ahead, not believed"

    def check_certificate(self, der: bytes) -> None:
        """Raise CertificateDateError when a certificate (DER) of the server is outside its dates."""
        certificate = x509.load_der_x509_certificate(der)
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        now = self.find_now_ms()
        latest = _to_datetime(self.floor_ms() if now is None else now)
        if latest > ends:
            raise CertificateDateError(
                f"the server's certificate ended on {ends:%Y-%m-%d}: have it renewed at the centre"
            )
        if now is not None and latest < begins:
            raise CertificateDateError(
                f"the server's certificate begins on {begins:%Y-%m-%d}, later than now: check the kit's clock"
            )

        with self._lock:
            self._vouched_ms = max(self._vouched_ms or 0, int(ends.timestamp() * 1000))

    def _is_vouched(self, told_ms: int) -> bool:
        """Whether a word of the centre fits the dates of the certificates seen in this process."""
        if self._vouched_ms is None or told_ms <= self._vouched_ms - LAST_DAYS_MS:
            return True
        return told_ms <= self._vouched_ms and abs(self._clock_ms() - told_ms) <= _ABOUT_MS

    def _read_floor(self) -> int:
        return self._floor_ms + self._monotonic_ms() - self._floor_at_ms


class _DatedSocket(ssl.SSLSocket):
    """Judges the server's dates before the handshake counts as done."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
            if isinstance(self.context, DatedContext):
                for der in _find_certificates(self):
                    self.context.trusted_time.check_certificate(der)
        except BaseException:
            # paho leaves the socket of a failed handshake to the garbage collector.
            self.close()
            raise


class _DatedObject(ssl.SSLObject):
    """The same for a connection whose bytes somebody else carries (asyncio)."""

    def do_handshake(self) -> None:
        super().do_handshake()
        if isinstance(self.context, DatedContext):
            for der in _find_certificates(self):
                self.context.trusted_time.check_certificate(der)


def _find_certificates(connection: ssl.SSLSocket | ssl.SSLObject) -> list[bytes]:
    """What was verified, leaf first; Python before 3.13 shows the leaf alone."""
    find_chain: Callable[[], list[bytes]] | None = getattr(connection, "get_verified_chain", None)
    leaf = connection.getpeercert(binary_form=True)
    return find_chain() if find_chain is not None else [leaf] if leaf is not None else []


class DatedContext(ssl.SSLContext):
    """A client context that verifies chain and host name as always, and dates by `trusted_time`."""

    sslsocket_class = _DatedSocket
    sslobject_class = _DatedObject
    trusted_time: TrustedTime


def make_context(trusted_time: TrustedTime, *, root_pem: str) -> DatedContext:
    """TLS 1.2 or later, trusting only this root; the caller adds the kit's own certificate."""
    context = DatedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.trusted_time = trusted_time
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=root_pem)
    context.verify_flags = ssl.VerifyFlags(int(context.verify_flags) | ssl.VERIFY_X509_STRICT | _NO_CHECK_TIME)
    return context


def _supersedes(fresh: Reading, held: Reading) -> bool:
    """More exact by now; or the centre's clock itself was set meanwhile."""
    error_ms = age(held, fresh.taken_ms)
    moved_ms = abs(fresh.offset_ms - held.offset_ms)
    return fresh.error_ms <= error_ms or moved_ms > error_ms + fresh.error_ms + 1_000


def _to_datetime(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
