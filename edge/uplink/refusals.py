"""What the kit does about a refusal of the door: put it right itself, or who waits and how long at least. Pure.

Whatever the door says, what it refused is still ours (rule 3 of evidence): this only decides when it is tried again.
"""

import msgspec

from contract import door_auth
from edge.uplink.door_answers import Answer

REVOKED_WAIT_S = 300.0
STORE_FULL_WAIT_S = 60.0
TOO_LARGE_WAIT_S = 6 * 3600.0
FOREIGN_WAIT_S = 3600.0
# Refusals the kit puts right itself, once for each parcel.
SECOND_CHANCES = (
    door_auth.CHAIN_RECORD_MISSING,
    door_auth.OFFSET_MISMATCH,
    door_auth.NONCE_EXPIRED,
    door_auth.BAD_TOKEN,
)


class Pause(msgspec.Struct, frozen=True):
    """`is_for_all`: the refusal is not about this parcel, so nothing else is tried before; else it alone waits."""

    is_for_all: bool
    at_least_s: float


def find_pause(answer: Answer) -> Pause:
    """What the door's refusal asks for; its own Retry-After counts where it says one."""
    status = answer.status
    if status == 403 and answer.problem != door_auth.FOREIGN_RECORDING:
        return Pause(is_for_all=True, at_least_s=max(REVOKED_WAIT_S, answer.retry_after_s))
    if status == 507:
        return Pause(is_for_all=True, at_least_s=max(STORE_FULL_WAIT_S, answer.retry_after_s))
    if status in (401, 429) or status >= 500:
        return Pause(is_for_all=True, at_least_s=answer.retry_after_s)
    alone = {403: FOREIGN_WAIT_S, 413: TOO_LARGE_WAIT_S}
    return Pause(is_for_all=False, at_least_s=alone.get(status, answer.retry_after_s))
