"""Names and identity numbers. Every number here is a specimen of a region that does not exist."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import uscc

from central.cases.identity import birth_date, check_id, id_variants, normalise_id
from central.cases.names import check_name, search_form
from central.cases.parties import PartyDraft, PartyError, check_party, guess_id_kind, mask_id, public_mask

RESIDENT = "999999199001010016"
USCC = "91999999MA00000079"


def party(**changes):
    return PartyDraft(**{"role": "executee", "kind": "natural", "name": "样例甲", **changes})


def test_a_party_is_normalised():
    given_party = party(
        name=" 样 例\u200b甲 ", id_no="９９９９９９ 19900101 0016", phone=" 130 0000  0000", address="样例路\n1号",
    )  # fmt: skip
    checked = check_party(given_party)
    assert checked == party(
        name="样例甲", id_kind="resident_id", id_no=RESIDENT, phone="130 0000 0000", address="样例路 1号"
    )
    assert checked.private == {"phone": "130 0000 0000", "address": "样例路 1号"}
    assert check_party(checked) == checked


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("买买提•艾力", "买买提·艾力"),
        ("买买提・艾力", "买买提·艾力"),
        ("买买提 . 艾力", "买买提·艾力"),
        ("买买提．艾力", "买买提·艾力"),
        ("大理样例(洱海)商贸有限公司", "大理样例（洱海）商贸有限公司"),
        ("大理样例（洱海）商贸有限公司", "大理样例（洱海）商贸有限公司"),
        ("样例\u3000甲", "样例甲"),
        ("样\u202e例\u200d甲", "样例甲"),
        ("Specimen  Trading\tLtd. (Dali)", "Specimen Trading Ltd. (Dali)"),
        ("Ｓpecimen甲", "Specimen甲"),
        ("𠮷样例", "𠮷样例"),
    ],
)
def test_names_have_one_form(text, name):
    assert check_name(text) == name


@pytest.mark.parametrize("text", ["", "   ", "——", "\u200b\u200d", "。。。", "123", "（）"])
def test_a_name_needs_a_letter(text):
    with pytest.raises(PartyError) as refused:
        check_name(text)
    assert refused.value.code == "name_empty"


@pytest.mark.parametrize("text", ["甲" * 201, "甲" * 100_000, "\ufdfa" * 20])
def test_a_name_is_bounded(text):
    with pytest.raises(PartyError) as refused:
        check_name(text)
    assert refused.value.code == "name_too_long"
    assert refused.value.params["limit"] == 200


@given(st.text(max_size=120))
def test_normalising_a_name_twice_changes_nothing(text):
    try:
        name = check_name(text)
    except PartyError:
        return
    assert check_name(name) == name
    assert 1 <= len(name) <= 200
    assert not any(unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp") for letter in name)
    assert search_form(search_form(name)) == search_form(name)


def test_signs_and_case_do_not_hinder_a_search():
    assert search_form("买买提·艾力") == search_form("买买提艾力")
    assert search_form("大理（洱海）ABC有限公司") == "大理洱海abc有限公司"


@pytest.mark.parametrize(
    ("id_kind", "number", "code"),
    [
        ("resident_id", "999999199001010015", "id_check_digit"),
        ("resident_id", "999999199013010015", "id_birth_date"),
        ("resident_id", "999999170001010015", "id_birth_date"),
        ("resident_id", "99999919900101001", "id_form"),
        ("resident_id", "99999919900101001A", "id_form"),
        ("old_resident_id", "999999901301001", "id_birth_date"),
        ("uscc", "91999999MA0000007Y", "uscc_check_digit"),
        ("uscc", "91999999MAO0000079", "id_form"),
        ("org_code", "000000011", "org_code_check_digit"),
        ("org_code", "00000001", "id_form"),
        ("passport", "E1", "id_form"),
    ],
)
def test_wrong_numbers_are_named_and_not_corrected(id_kind, number, code):
    with pytest.raises(PartyError) as refused:
        check_party(party(id_kind=id_kind, id_no=number))
    assert refused.value.code == code
    assert number not in refused.value.message
    assert not any(number in str(value) for value in refused.value.params.values())


@pytest.mark.parametrize(
    ("id_kind", "number"),
    [
        ("resident_id", RESIDENT),
        ("resident_id", "00000018500101007X"),
        ("old_resident_id", "999999900101001"),
        ("uscc", USCC),
        ("org_code", "MA0000007"),
        ("passport", "E00000001"),
        ("permit", "H00000001"),
        ("other", "台胞-0001"),
    ],
)
def test_right_numbers_are_taken(id_kind, number):
    assert check_id(id_kind, number) == number


def test_kinds_are_guessed():
    expected = {
        RESIDENT: "resident_id", "99999919900101018x": "resident_id", USCC: "uscc",
        "999999900101001": "old_resident_id",
        "E00000001": "passport", "H00000001": "permit", "00000000-0": "org_code", "abc": "other", " ": "",
    }  # fmt: skip
    assert {text: guess_id_kind(text) for text in expected} == expected


def test_unknown_codes_and_long_fields_are_refused():
    for wrong in ({"role": "defendant"}, {"kind": "person"}, {"id_kind": "driver", "id_no": "1"}):
        with pytest.raises(PartyError):
            check_party(party(**wrong))
    with pytest.raises(PartyError) as refused:
        check_party(party(address="样" * 201))
    assert refused.value.params == {"field": "address", "limit": 200}
    with pytest.raises(PartyError):
        check_party(party(id_no="1" * 100_000))


def test_a_number_without_digits_is_none():
    assert check_party(party(id_kind="resident_id", id_no=" - ")) == party()


def test_old_and_new_number_of_one_person_find_each_other():
    assert id_variants("resident_id", RESIDENT) == [RESIDENT, "999999900101001"]
    assert id_variants("old_resident_id", "999999900101001") == ["999999900101001", RESIDENT]
    assert id_variants("uscc", USCC) == [USCC, "MA0000007"]
    assert id_variants("resident_id", "999999200001010018")[1:] == []


def test_masks():
    assert mask_id("resident_id", RESIDENT) == "**************0016"
    assert mask_id("passport", "E00000001") == "*****0001"
    assert mask_id("other", "1234") == "****"
    assert mask_id("uscc", USCC) == public_mask("uscc", USCC) == USCC
    assert public_mask("resident_id", RESIDENT) == "9999991990****0016"
    assert public_mask("old_resident_id", "999999900101001") == "99999990****001"
    assert public_mask("passport", "E00000001") == "E0****01"
    assert public_mask("other", "12345") == "****"


def test_birth_dates():
    assert str(birth_date("resident_id", RESIDENT)) == "1990-01-01"
    assert str(birth_date("old_resident_id", "999999900101001")) == "1990-01-01"
    assert birth_date("uscc", USCC) is None


@given(st.text(max_size=60))
def test_no_text_breaks_the_numbers(text):
    number = normalise_id(text)
    assert normalise_id(number) == number
    guess_id_kind(text)
    for id_kind in ("resident_id", "old_resident_id", "uscc", "org_code", "passport", "permit", "other"):
        try:
            assert check_id(id_kind, number) == number
        except PartyError:
            continue


@given(st.text("0123456789ABCDEFGHJKLMNPQRTUWXY", min_size=10, max_size=10), st.integers(0, 999_999))
def test_check_characters_are_those_of_python_stdnum(letters, region):
    number = f"{letters[:2]}{region:06d}{letters[1:]}"[:17]
    right = number + uscc.calc_check_digit(number)
    assert check_id("uscc", right) == right
    with pytest.raises(PartyError):
        check_id("uscc", number + ("0" if right[-1] != "0" else "1"))
