"""Who waits after a refusal of the door, and how long at least."""

import pytest

from contract import door_auth
from edge.uplink.door_answers import Answer
from edge.uplink.refusals import find_pause


@pytest.mark.parametrize(
    ("status", "problem", "said_s", "is_for_all", "at_least_s"),
    [
        (403, "urn:x", 0, True, 300),
        (403, "urn:x", 900, True, 900),
        (403, door_auth.FOREIGN_RECORDING, 5, False, 3600),
        (507, "", 0, True, 60),
        (507, "", 120, True, 120),
        (401, "", 0, True, 0),
        (429, "", 7, True, 7),
        (500, "", 0, True, 0),
        (503, "", 30, True, 30),
        (413, "", 5, False, 21_600),
        (404, "", 0, False, 0),
        (409, "", 9, False, 9),
        (200, "", 0, False, 0),
    ],
)
def test_a_refusal_pauses_all_or_the_parcel_alone(status, problem, said_s, is_for_all, at_least_s):
    pause = find_pause(Answer(status, b"", problem=problem, retry_after_s=float(said_s)))
    assert (pause.is_for_all, pause.at_least_s) == (is_for_all, at_least_s)
