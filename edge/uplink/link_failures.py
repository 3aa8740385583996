"""Why a connection to the centre failed, in one sentence, and whether anybody was there at all. Pure."""

import ssl


def is_darkness(error: Exception) -> bool:
    """Whether nobody answered at all, so that calling again soon costs nobody anything."""
    if isinstance(error, ssl.SSLError | ConnectionRefusedError):
        return False
    return isinstance(error, OSError)


def describe_failure(error: Exception, where: str) -> str:
    """One sentence about why a connection to `where` failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{where} showed a certificate that is not the centre's ({error}): the kit sends nothing there"
    if isinstance(error, ssl.SSLError):
        return f"the encrypted connection to {where} failed ({error.reason or error})"
    if isinstance(error, TimeoutError):
        return f"{where} does not answer"
    if isinstance(error, ConnectionRefusedError):
        return f"{where} refuses connections: the service there is not running"
    return f"{where} cannot be reached ({error})"
