"""No text without its English, no refusal without its Chinese."""

import re
from importlib import import_module

import pytest

from central.base.errors import DomainError
from central.web.i18n import load_words, note
from central.web.problems import SENTENCES, say, status_of
from tests.central.web.extraction import WEB, extract_texts

CHINESE = re.compile(r"[\u4e00-\u9fff]")
ROOMS = (
    "base.errors", "audit.rules", "courts.rules", "courts.places", "people.posts", "people.rules",
    "devices.losses",
    "devices.logs",
    "devices.rules", "devices.task_rules", "incidents.rules", "command.rules", "command.foreign_rules",
    "evidence.rules", "cases.numbers", "cases.parties", "cases.service",
    "cases.delivery", "imports.rules", "base.handover", "base.keyring", "base.archive", "flows.rekeying",
    "flows.restore",
)  # fmt: skip


def test_every_text_has_its_english():
    words = load_words("en")
    missing = sorted(text for text in extract_texts() if not words.messages.get(text))
    assert missing == []


def test_english_fills_in_what_the_chinese_does():
    for text, english in load_words("en").messages.items():
        assert sorted(re.findall(r"%\(\w+\)s", text)) == sorted(re.findall(r"%\(\w+\)s", english)), text
        assert not CHINESE.search(english), english


def test_no_english_without_its_text():
    assert sorted(set(load_words("en").messages) - extract_texts()) == []


@pytest.mark.parametrize("path", sorted((WEB / "templates").rglob("*.html")), ids=lambda path: path.name)
def test_no_chinese_outside_of_marks(path):
    text = re.sub(r"\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert CHINESE.findall(text.replace('lang="zh-CN">', "").replace(" 中文", "")) == []


@pytest.mark.parametrize("path", sorted((WEB / "static" / "js").rglob("*.js")), ids=lambda path: path.name)
def test_no_chinese_outside_of_marks_in_scripts(path):
    text = re.sub(r"_\('[^']*'", "", re.sub(r"//.*", "", path.read_text(encoding="utf-8")))
    assert CHINESE.findall(text.replace("%(name)s", "")) == []


def every_error():
    for room in ROOMS:
        import_module(f"central.{room}")
    import_module("central.web.app")
    found, waiting = [], [DomainError]
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting += kind.__subclasses__()
    return sorted({kind for kind in found if kind.__module__.startswith("central.")}, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_every_refusal_has_its_chinese(kind):
    assert kind.code in SENTENCES
    error = kind(
        "It is so; do this.", minutes=3, failures=10, seq=2, by="样例值班员", limit=200,
        case_no="（2026）云2901执1号", court_code="云2901", first=2016, last=2099,
        given="x", unmet_zh="条件（补救）",
        columns="案号", column="案号", second="执行案号", sheet="案件", sheets="Sheet1", detail="x",
        name="样例甲", superior="云71", unit="样例中心", lat="0", lon="0", km=110, feature="司法查控",
        fields="state",
    )  # fmt: skip
    assert CHINESE.search(say(error, load_words("zh")))
    assert "%(" not in say(error, load_words("zh"))
    assert say(error, load_words("en")) == "It is so; do this."
    assert 400 <= status_of(error) < 500


def test_a_note_is_itself():
    assert note("在线") == "在线"
    assert load_words("en")(note("在线")) == "Live"
