"""JSON: one array or one object a line."""

import io
import json
import tracemalloc

import pytest

from central.imports.readers.json_reader import JsonReader
from central.imports.readers.row import PART
from central.imports.rules import DamagedFileError, WrongFormError


def read(data: bytes) -> list[tuple[int, object]]:
    return [(row.row_no, row.fault or dict(row.named or {})) for row in JsonReader(io.BytesIO(data)).rows()]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_an_array(encoding):
    data = json.dumps([{"案号": "甲"}, {"claim": 12.5, "n": 7, "x": None, "b": True}], ensure_ascii=False)
    assert read(data.encode(encoding)) == [
        (1, {"案号": "甲"}), (2, {"claim": "12.5", "n": "7", "x": "", "b": "1"}),
    ]  # fmt: skip


def test_an_object_a_line():
    data = b'{"a": "1"}\n\n{"a": \n[1]\n{"a": "2"}'
    assert read(data) == [(1, {"a": "1"}), (3, "json_line"), (4, "json_object"), (5, {"a": "2"})]


def test_nested_parties_become_cells():
    parties = [
        {"role": "executee", "name": "样例甲；乙", "id_no": "1", "phone": "2"},
        {"role": "applicant", "name": "样例丙"},
        {"role": "executee", "name": "样例丁"},
    ]
    (row,) = read(json.dumps([{"case_no": "x", "parties": parties}]).encode())
    assert row[1] == {
        "case_no": "x", "executee": f"样例甲；乙{PART}样例丁", "executee_id": f"1{PART}",
        "executee_phone": f"2{PART}",
        "applicant": "样例丙",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"a": [1]}, "json_value"),
        ({"parties": "x"}, "json_value"),
        ({"parties": [1]}, "json_value"),
        ({"a": "x\0y"}, "nul"),
        ([1], "json_object"),
    ],
)
def test_an_entry_that_is_none_is_refused_alone(value, fault):
    assert read(json.dumps([value, {"a": "1"}]).encode()) == [(1, fault), (2, {"a": "1"})]


def test_half_a_surrogate_is_refused():
    assert read(b'[{"a": "\\ud800"}]') == [(1, "encoding")]


@pytest.mark.parametrize(
    "data",
    [b'[{"a": "1"}, {"a": ', b'[{"a": "1"}', b"[", b'[{"a" "1"}]', b'[{"a": ' + b"9" * 5000 + b"}]", b"[" * 200_000],
)
def test_a_damaged_array_is_told(data):
    with pytest.raises(DamagedFileError, match="export it again"):
        read(data)


def test_another_form_is_told():
    with pytest.raises(WrongFormError, match="array of cases"):
        read(b'{\n "cases": []\n}')


def test_nothing_is_no_row():
    assert read(b"  \n") == []
    assert read(b"[]") == []


def test_large_whole_numbers_stay_exact_and_floats_show_their_loss():
    assert read(b'[{"a": 999999199001010016, "b": 9.99999199001010016e17}]') == [
        (1, {"a": "999999199001010016", "b": "9.99999199001010E+17".replace("010E", "01E")})
    ]


def test_a_long_array_is_not_held():
    entry = json.dumps({"case_no": "（2026）云2901执1号", "filler": "样" * 200}, ensure_ascii=False).encode()
    data = io.BytesIO(b"[" + b",\n".join([entry] * 40_000) + b"]")
    tracemalloc.start()
    count = sum(1 for _ in JsonReader(data).rows())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 40_000
    assert peak < 12_000_000
