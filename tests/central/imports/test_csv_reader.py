"""CSV as it comes out of old systems."""

import csv
import io
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from central.imports.readers.csv_reader import CsvReader
from central.imports.readers.row import MAX_LINE_BYTES


def read(data: bytes) -> list[tuple[int, list[str]] | tuple[int, str]]:
    return [(row.row_no, row.fault or list(row.cells)) for row in CsvReader(io.BytesIO(data)).rows()]


@pytest.mark.parametrize("mark", [",", "\t", ";", "|"])
def test_the_delimiter_is_found(mark):
    assert read(f"a{mark}b{mark}c\n1{mark}2{mark}3\n".encode()) == [(1, ["a", "b", "c"]), (2, ["1", "2", "3"])]


def test_a_comma_within_quotes_is_no_delimiter():
    assert read(b'"a,b,c,d";e\n"1,2";3\n')[1] == (2, ["1,2", "3"])


def test_excels_own_line_names_the_delimiter():
    assert read(b"sep=;\na,b;c\n")[-1] == (2, ["a,b", "c"])


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
def test_every_line_end(end):
    assert read(end.join([b"a,b", b"1,2", b"", b"3,4"])) == [(1, ["a", "b"]), (2, ["1", "2"]), (4, ["3", "4"])]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
def test_every_encoding(encoding):
    text = "案号,当事人\n（2026）云2901执1号,样例𠮷甲\n" + "（2026）云2901执2号,x\n" * 30
    assert read(text.encode(encoding))[:2] == [(1, ["案号", "当事人"]), (2, ["（2026）云2901执1号", "样例𠮷甲"])]


def test_encodings_may_change_from_line_to_line():
    lines = [
        "案号,当事人".encode("gb18030"),
        "（2026）云2901执1号,甲".encode(),
        "（2026）云2901执2号,乙".encode("gb18030"),
    ]
    lines += [
        b"\xef\xbb\xbf" + "（2026）云2901执3号,丙".encode(),
        b"(2026)\xff\xfe,x",
        "（2026）云2901执4号,丁".encode(),
    ]
    assert read(b"\n".join(lines))[1:] == [
        (2, ["（2026）云2901执1号", "甲"]), (3, ["（2026）云2901执2号", "乙"]), (4, ["（2026）云2901执3号", "丙"]),
        (5, "encoding"), (6, ["（2026）云2901执4号", "丁"]),
    ]  # fmt: skip


def test_lost_characters_and_zero_bytes_are_refused():
    assert read("a,b\n样\ufffd,1\n2,3\n".encode()) == [(1, ["a", "b"]), (2, "encoding"), (3, ["2", "3"])]
    assert read(b"a,b\n1,\x002\n3,4\n") == [(1, ["a", "b"]), (2, "nul"), (3, ["3", "4"])]


def test_a_quoted_line_end_belongs_to_its_cell():
    assert read(b'a,b\n"x\r\ny","say ""so"""\n1,2\n') == [
        (1, ["a", "b"]),
        (2, ["x\r\ny", 'say "so"']),
        (3, ["1", "2"]),
    ]


def test_a_quote_that_is_never_closed_costs_one_row():
    data = b'a,b\n"1,2\n' + b"".join(b"%d,x\n" % number for number in range(3, 200))
    rows = read(data)
    assert rows[1] == (2, "csv_quote")
    assert rows[2:4] == [(3, ["3", "x"]), (4, ["4", "x"])]
    assert len(rows) == 199


def test_a_quote_closed_by_the_next_row_costs_one_row():
    assert read(b'a,b\n"1,2\n"3",4\n5,6\n') == [(1, ["a", "b"]), (2, "csv_quote"), (3, ["3", "4"]), (4, ["5", "6"])]


def test_a_quote_open_at_the_end():
    assert read(b'a,b\n1,2\n3,"4\n') == [(1, ["a", "b"]), (2, ["1", "2"]), (3, "csv_quote")]


def test_a_very_long_line_is_refused_and_never_held():
    def stream() -> io.BytesIO:
        return io.BytesIO(b"a,b\n" + b"x" * 60_000_000 + b"\r\n1,2\n")

    data = stream()
    tracemalloc.start()
    rows = [(row.row_no, row.fault or list(row.cells)) for row in CsvReader(data).rows()]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == [(1, ["a", "b"]), (2, "line_too_long"), (3, ["1", "2"])]
    assert peak < 4_000_000


def test_a_file_without_any_line_end():
    assert read(b"x" * (3 * MAX_LINE_BYTES)) == [(1, "line_too_long")]
    assert read(b"") == []


def test_too_many_cells():
    assert read(b"a,b\n" + b"," * 400 + b"1\n1,2\n") == [(1, ["a", "b"]), (2, "too_many_cells"), (3, ["1", "2"])]


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufffd\ufeff;|\t"), max_size=12)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(TEXT, min_size=3, max_size=3).filter(any), max_size=20))
def test_what_was_written_is_read(table):
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows([["a", "b", "c"], *table])
    assert [row[1] for row in read(text.getvalue().encode())] == [["a", "b", "c"], *table]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_break_the_reader(data):
    rows = read(b"a,b\n" + data + b"\n1,2\n")
    assert rows[0][0] == 1
    assert [row[0] for row in rows] == sorted({row[0] for row in rows})
