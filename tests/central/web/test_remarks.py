"""Kits' own sentences: known ones in Chinese, unknown ones as they came and marked; none outlives the kit's code."""

import ast
import re
from pathlib import Path

import pytest

from central.sentences.kit import SENTENCES
from central.web.i18n import load_words
from central.web.remarks import explain, tell_kits_words
from edge.options import StorageSettings
from edge.reach.clocks import Reading, judge
from edge.recorder import storage_rules
from edge.recorder.storage_rules import Room
from edge.recorder.watchdog import FrameWatch, Limits

ROOT = Path(__file__).parents[3]
ZH, EN = load_words("zh"), load_words("en")
HOLE = re.compile(r"\{\w+\}")
CHINESE = re.compile("[\u4e00-\u9fff]")
ENGLISH = re.compile(r"[A-Za-z]{4,}")


def list_kit_texts() -> list[str]:
    """Every string of the kit's code; the holes of an f-string as NUL."""
    found = []
    for path in [*(ROOT / "edge").rglob("*.py"), *(ROOT / "contract").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append(
                    "".join(str(part.value) if isinstance(part, ast.Constant) else "\0" for part in node.values)
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


KIT_TEXTS = list_kit_texts()


@pytest.mark.parametrize("pattern", SENTENCES)
def test_no_sentence_outlives_the_kits_own(pattern):
    for fast in HOLE.split(pattern):
        words = fast.strip(" .,:;()±")
        assert not words or any(words in text for text in KIT_TEXTS), f"no process of the kit says {words!r}"


@pytest.mark.parametrize("pattern", SENTENCES)
def test_each_is_told_in_chinese_with_what_it_says(pattern):
    values = {"said_clock": "gps", "said_span": "2.0 s", "said_parcel": "segment 3", "sign": "+"}
    values["said_hand"] = "page"
    filled = HOLE.sub(
        lambda hole: values.get(hole[0][1:-1], "12" if re.match(r"\{n(_|\})", hole[0]) else "xyz"), pattern
    )
    told = explain(filled, ZH)
    assert CHINESE.search(told) and told != filled
    assert set(HOLE.findall(SENTENCES[pattern])) <= set(HOLE.findall(pattern)), "a hole that nothing fills"


def test_what_the_kit_really_says_of_its_card_is_known():
    settings = StorageSettings()
    for free_bytes in (10**12, 2 * 10**9, 9 * 10**8, 10**6):
        room = Room(free_bytes=free_bytes, held_bytes=0)
        text = storage_rules.judge(room, settings, 500_000, before="ok").text
        assert not ENGLISH.search(explain(text, ZH)), text


def test_what_the_kit_really_says_of_its_clocks_is_known():
    gps, ntp = Reading("gps", 1_000_000, 40, 5), Reading("ntp", 1_090_000, 100, 5)
    for readings in ([gps], [gps, ntp], [ntp, Reading("rtc", 5, 1000, 5)], [Reading("rtc", 5, 1000, 5)]):
        text = judge(readings, now_ms=10, floor_ms=900_000, tolerance_ms=500).tell()
        assert not ENGLISH.search(explain(f"clock_dispute: {text}", ZH)), text


def test_what_the_kit_really_says_of_its_camera_is_known():
    watch = FrameWatch("synthetic", Limits(stall_ms=1500), 0)
    said = [str(watch.find_failure(60_000))]
    watch.note_opened(1)
    said.append(str(watch.find_failure(60_000)))
    for text in said:
        assert "None" not in text and not ENGLISH.search(explain(text, ZH).replace("synthetic", "")), text


def test_causes_and_parts_are_told_one_by_one():
    text = "camera_stall: synthetic gave no picture for 1.5 s."
    assert explain(text, ZH) == "摄像头中断 · synthetic 有 1.5 秒没有画面。"
    note = "3 segments no longer equal what was signed; upload: segment 7: 507 Store full; control restarted 2 times"
    assert (
        explain(note, ZH) == "3 段录像与签名不符；上传受阻：第 7 段，中心答复 507（Store full）；control 已重启 2 次"
    )


def test_the_unknown_is_marked_as_the_kits_own_words_and_cannot_write_html():
    told = tell_kits_words("the flux <b>capacitor</b> hums; recorder restarted 1 times", ZH)
    assert told == (
        '<span class="own-words" lang="en">the flux &lt;b&gt;capacitor&lt;/b&gt; hums</span> '
        '<span class="badge">装备原文</span>；recorder 已重启 1 次'
    )
    assert tell_kits_words("请求增援 <i>", ZH) == "请求增援 &lt;i&gt;"
    assert tell_kits_words("the kit judges the link", EN) == "the kit judges the link"


def test_a_long_riddle_costs_little():
    riddle = "upload: " * 60 + "segment 1: " * 10
    assert explain(riddle, ZH).startswith("上传受阻")
    assert explain("x: y; " * 5000, ZH).startswith("x")
