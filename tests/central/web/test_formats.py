"""How values are shown."""

import pytest

from central.web import formats
from central.web.grants import GRANT_MS, GrantInvalidError, issue_grant, read_purpose
from central.web.i18n import load_words
from central.web.pages.devices import preview

AT_MS = 1_795_500_000_123


def test_times_are_those_of_shanghai():
    assert formats.show_moment(AT_MS) == "2026-11-24 14:00:00"
    assert formats.show_time(AT_MS) == "14:00:00"
    assert formats.show_date(AT_MS) == "2026-11-24"
    assert formats.show_moment(None) == "—"


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (123_456, "123 kB"), (41_300_000_000, "41.3 GB"), (None, "—")],
)
def test_sizes(size_bytes, shown):
    assert formats.show_size(size_bytes) == shown


@pytest.mark.parametrize(("length_ms", "shown"), [(0, "0:00"), (65_000, "1:05"), (3_725_000, "1:02:05"), (None, "—")])
def test_lengths(length_ms, shown):
    assert formats.show_length(length_ms) == shown


@pytest.mark.parametrize(
    ("age_s", "shown"), [(0, "0 秒前"), (59, "59 秒前"), (60, "1 分钟前"), (7200, "2 小时前"), (200_000, "2 天前")]
)
def test_ages(age_s, shown):
    assert formats.ago(load_words("zh"))(AT_MS - age_s * 1000, AT_MS) == shown


def test_ages_in_english():
    assert formats.ago(load_words("en"))(AT_MS - 60_000, AT_MS) == "1 min ago"
    assert formats.ago(load_words("en"))(None, AT_MS) == "never"


def test_preview_never_trusts():
    assert preview(b"abc\x07\xe4\xb8\xad") == "abc·中"
    assert preview(b"\xff\xfe") == "ff fe"


FACTS = {"session_token": "t", "recording_id": "ab" * 16}


class TestGrants:
    """A stated purpose."""

    def issue(self, **changes):
        return issue_grant(b"s" * 32, **{**FACTS, "purpose": "核实现场", "now_ms": AT_MS, **changes})

    def read(self, grant, **changes):
        secret = changes.pop("secret", b"s" * 32)
        return read_purpose(secret, grant, **{**FACTS, "now_ms": AT_MS, **changes})

    def test_is_read_back(self):
        assert self.read(self.issue()) == "核实现场"

    @pytest.mark.parametrize(
        "changes",
        [
            {"session_token": "other"},
            {"recording_id": "cd" * 16},
            {"now_ms": AT_MS + GRANT_MS},
            {"secret": b"x" * 32},
        ],
    )
    def test_holds_only_where_it_was_given(self, changes):
        with pytest.raises(GrantInvalidError):
            self.read(self.issue(), **changes)

    @pytest.mark.parametrize("grant", ["", "a", "!!!!", "AAAA", "é"])
    def test_nonsense_is_refused(self, grant):
        with pytest.raises(GrantInvalidError):
            self.read(grant)


TOLD = [
    (750, "gps", "2026-11-24 14:00:00 ±1 秒（按卫星时间）", "2026-11-24 14:00:00 ±1 s (satellite time)"),
    (12_300, "centre", "2026-11-24 14:00:00 ±13 秒（按中心时间）", "2026-11-24 14:00:00 ±13 s (the centre's time)"),
    (
        3_600_000,
        "boots",
        "2026-11-24 13:00:00 至 15:00:00 之间（按前后两次开机推断）",
        "between 2026-11-24 13:00:00 and 15:00:00 (from the boots before and after)",
    ),
    (
        86_400_000,
        "boots",
        "2026-11-23 14:00:00 至 2026-11-25 14:00:00 之间（按前后两次开机推断）",
        "between 2026-11-23 14:00:00 and 2026-11-25 14:00:00 (from the boots before and after)",
    ),
    (
        None,
        "kit_clock",
        "2026-11-24 14:00:00（仅凭装备时钟，误差未知）",
        "2026-11-24 14:00:00 (kit's clock alone, error unknown)",
    ),
    (None, "received", "不晚于 2026-11-24 14:00:00", "not after 2026-11-24 14:00:00"),
]


@pytest.mark.parametrize(("error_ms", "by", "chinese", "english"), TOLD)
def test_a_moment_says_how_sure_it_is_and_by_whose_time(error_ms, by, chinese, english):
    assert formats.told(load_words("zh"))(AT_MS, error_ms, by) == chinese
    assert formats.told(load_words("en"))(AT_MS, error_ms, by) == english


def test_a_moment_that_is_not_known_is_a_dash():
    assert formats.told(load_words("zh"))(None, None, "received") == "—"
