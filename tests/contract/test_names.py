import pytest

from contract import names


@pytest.mark.parametrize("kit_id", ["dl-2901-01", "abc", "0a0", "a" * 32])
def test_a_kit_id_is_accepted_and_comes_back_unchanged(kit_id):
    assert names.check_kit_id(kit_id) == kit_id


@pytest.mark.parametrize(
    "kit_id",
    ["", "ab", "a" * 33, "-ab", "ab-", "Dl-1", "dl.1", "dl*1", "kit-*", ">", "dl>", "dl/1", "dl 1", "dl-1\n", "云-1"],
)
def test_a_kit_id_that_could_widen_a_topic_is_refused_with_the_remedy(kit_id):
    with pytest.raises(names.BadNameError, match=r"use 3 to 32 lower-case letters"):
        names.check_kit_id(kit_id)


def test_topic_and_subject_are_the_same_address():
    assert names.up_topic("dl-1", "alarm").replace("/", ".") == names.up_subject("dl-1", "alarm")
    assert names.cmd_topic("dl-1", "receipt").replace("/", ".") == names.cmd_subject("dl-1", "receipt")


def test_an_uplink_subject_splits_into_kit_and_kind():
    assert names.split_up_subject(names.up_subject("dl-1", "chain")) == ("dl-1", "chain")


@pytest.mark.parametrize(
    "subject",
    [
        "kits.dl-1.up",
        "kits.dl-1.up.x",
        "kits.*.up.alarm",
        "cmd.dl-1.up.alarm",
        "kits.dl-1.up.alarm.x",
        "kits.dl-1.down.alarm",
    ],
)
def test_any_other_subject_is_refused(subject):
    with pytest.raises(names.BadNameError):
        names.split_up_subject(subject)


def test_hex_ids_are_exactly_32_lower_case_digits():
    assert names.check_hex_id("0" * 32) == "0" * 32
    for wrong in ("0" * 31, "0" * 33, "G" * 32, "A" * 32):
        with pytest.raises(names.BadNameError):
            names.check_hex_id(wrong)
