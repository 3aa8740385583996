"""The token: what a person may vary in typing, and how a slip is answered."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.enrolment import (
    ALPHABET,
    MAX_TOKEN_CHARS,
    EnrolmentToken,
    MistypedTokenError,
    make_token,
    parse_token,
)

TOKEN = EnrolmentToken("dl-2901-01", "https://authority.example:8443", bytes(range(32)), bytes(range(16)))
TEXT = make_token(TOKEN)


def refuse(text: str) -> str:
    with pytest.raises(MistypedTokenError) as refusal:
        parse_token(text)
    sentence = str(refusal.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


class TestForm:
    def test_golden(self) -> None:
        # A token once printed must be readable for ever.
        assert TEXT == GOLDEN
        assert parse_token(GOLDEN) == TOKEN

    def test_is_rows_of_groups_in_crockfords_letters(self) -> None:
        rows = TEXT.split("\n")
        assert all(len(group) <= 5 for row in rows for group in row.split("-"))
        assert all(len(row) == 29 for row in rows[:-1])
        assert set(TEXT) <= set(ALPHABET) | {"-", "\n"}
        assert not set("ILOU") & set(TEXT)

    @given(
        st.from_regex(r"[a-z0-9][a-z0-9-]{1,30}[a-z0-9]", fullmatch=True),
        st.from_regex(r"https://[a-z0-9.]{1,40}(:[0-9]{1,5})?(/[a-z0-9]{1,10})?", fullmatch=True),
        st.binary(min_size=32, max_size=32),
        st.binary(min_size=16, max_size=16),
    )
    @settings(max_examples=60, deadline=None)
    def test_round_trip(self, kit_id: str, url: str, fingerprint: bytes, secret: bytes) -> None:
        token = EnrolmentToken(kit_id, url, fingerprint, secret)
        assert parse_token(make_token(token)) == token

    def test_password_is_the_secret_in_hex(self) -> None:
        assert bytes.fromhex(TOKEN.password) == TOKEN.secret

    @pytest.mark.parametrize(
        "changes",
        [
            {"kit_id": "*"},
            {"kit_id": "a.b"},
            {"est_url": "http://authority:80"},
            {"est_url": "https://" + "x" * 300},
            {"est_url": "https://a b"},
            {"root_fingerprint": bytes(31)},
            {"secret": bytes(15)},
        ],
    )
    def test_only_whole_tokens_are_made(self, changes: dict[str, object]) -> None:
        fields = {name: getattr(TOKEN, name) for name in EnrolmentToken.__slots__} | changes
        with pytest.raises(ValueError):
            make_token(EnrolmentToken(**fields))


class TestTolerance:
    @pytest.mark.parametrize(
        "typed",
        [
            TEXT.lower(),
            TEXT.replace("-", " "),
            TEXT.replace("\n", " ").replace("-", ""),
            TEXT.replace("\n", "\r\n") + "\r\n",
            TEXT.replace("-", "–"),
            TEXT.replace("-", " · ".replace("·", ".")),
            TEXT.replace("0", "O").replace("1", "I"),
            TEXT.replace("0", "o").replace("1", "l"),
            "".join(chr(ord(char) + 0xFEE0) if char in string.ascii_uppercase else char for char in TEXT),
            "  \t" + TEXT + "  ",
        ],
    )
    def test_reads_what_people_type(self, typed: str) -> None:
        assert parse_token(typed) == TOKEN


class TestSlips:
    def test_every_single_wrong_symbol_is_found_in_its_row(self) -> None:
        rows = TEXT.split("\n")
        for index, row in enumerate(rows):
            for place, char in enumerate(row):
                if char == "-":
                    continue
                wrong = ALPHABET[(ALPHABET.index(char) + 7) % 32]
                typed = "\n".join([*rows[:index], row[:place] + wrong + row[place + 1 :], *rows[index + 1 :]])
                assert f"Row {index + 1} " in refuse(typed)

    def test_every_swap_of_neighbours_is_found_in_its_row(self) -> None:
        rows = [row.replace("-", "") for row in TEXT.split("\n")]
        for index, row in enumerate(rows):
            for place in range(len(row) - 1):
                swapped = row[:place] + row[place + 1] + row[place] + row[place + 2 :]
                if swapped != row:
                    assert f"Row {index + 1} " in refuse("".join([*rows[:index], swapped, *rows[index + 1 :]]))

    def test_rows_swapped_or_missing(self) -> None:
        rows = TEXT.split("\n")
        assert "Row 1 " in refuse("\n".join([rows[1], rows[0], *rows[2:]]))
        assert "Row 2 " in refuse("\n".join([rows[0], *rows[2:]]))
        assert "last row" in refuse("\n".join(rows[:-1]))
        assert "last row" in refuse(rows[0])

    def test_symbol_lost(self) -> None:
        assert "Row 1 " in refuse(TEXT[1:])
        assert refuse(TEXT[:-1])

    @pytest.mark.parametrize("text", ["", "   ", "---"])
    def test_empty(self, text: str) -> None:
        assert "empty" in refuse(text)

    @pytest.mark.parametrize("text", ["U", "你好", "héllo", "A", "00", "\0" * 5])
    def test_nonsense(self, text: str) -> None:
        assert refuse(text)

    def test_endless(self) -> None:
        assert "longer" in refuse("0" * (MAX_TOKEN_CHARS + 1))

    @given(st.text(max_size=200))
    @settings(max_examples=200, deadline=None)
    def test_any_text_is_answered_with_a_sentence(self, text: str) -> None:
        assert refuse(text)

    def test_letter_that_no_token_uses_is_named(self) -> None:
        assert "'U'" in refuse("U" + TEXT[1:])


GOLDEN = """\
04002-0G30G-2GC1R-81450-P30V2
D1R7H-048J2-CA1A5-GQ30C-HM62Y
RW3MF-1Y001-081G8-1860W-40J50
2GB1G-6GW3R-ACHP2-TCHS6-0RJNM
TC1HC-5TQ8T-3FE9M-Q8Y9E-CNW8V
62VBG-DHJKM-E1M6G-SPSS1-B3WCW"""
