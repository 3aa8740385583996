"""The catalogue is data: what is wrong with it is told in one sentence before anything starts."""

from importlib.resources import files

import pytest

from central.cases import catalogue as module
from central.cases.catalogue import CatalogueError, Limit, UnknownCodeError, load_catalogue, parse_catalogue

TEXT = files("central.cases").joinpath("catalogue.toml").read_text("utf-8")


def test_the_packaged_catalogue_knows_the_law():
    catalogue = load_catalogue()
    assert catalogue.type("执").nature == "implementing"
    assert catalogue.type("执异").nature == "review"
    assert [c.code for c in catalogue.conditions_of("terminated_for_now")][:5] == [
        "notice",
        "consumption",
        "inquiries",
        "three_months",
        "debtor_sought",
    ]
    assert catalogue.limits[catalogue.node("online_control").limit] == Limit(48, "hours")
    assert catalogue.limits[catalogue.node("petition_close").limit] == Limit(30, "working_days")
    assert catalogue.pause("stay").max_months == 3
    assert "suspension" not in {closing.code for closing in catalogue.closings}  # 中止 is not closing
    assert {flag.code for flag in catalogue.flags} >= {"amount", "many_creditors", "cross_province"}


def test_every_entry_names_its_source_and_both_languages():
    catalogue = load_catalogue()
    for name in ("types", "closings", "conditions", "nodes", "pauses", "flags", "documents", "party_roles"):
        for entry in getattr(catalogue, name):
            assert entry.source and entry.zh and entry.en.isascii(), entry


def test_only_first_and_resumed_enforcement_is_terminated_for_now():
    catalogue = load_catalogue()
    ends = {t.code: {c.code for c in catalogue.closings_of(t.code)} for t in catalogue.types}
    assert {code for code, closings in ends.items() if "terminated_for_now" in closings} == {"执", "执恢", "legacy"}
    assert "completed" not in ends["执异"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('limit = "7 days"', 'limit = "7 dais"', "7 dais"),
        ('halts = "never"', 'halts = "sometimes"', "sometimes"),
        ('after = "valuation_served"', 'after = "siesta"', "auction"),
        ('documents_all = ["consumption_order"]', 'documents_all = ["siesta"]', "siesta"),
        ('types = ["执", "执恢"]', 'types = ["执", "执特"]', "执特"),
        ('edition = "2026-11"', 'edition = "2026-11"\ncolour = "red"', "colour"),
        ('code = "执恢"', 'code = "执"', "twice"),
        ("is_whole_case = true", "is_whole_case = false", "is_whole_case"),
        ("extension_max = 1", "extension_max = 0", "执复"),
        ('edition = "2026-11"', "edition = ", "Invalid value"),
        ("repeats = 10", "repeats = 10\nrepeat = 2", "repeat"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(old, new, told):
    assert old in TEXT
    with pytest.raises(CatalogueError) as refused:
        parse_catalogue(TEXT.replace(old, new, 1), "own.toml")
    assert told in refused.value.message
    assert "own.toml" in refused.value.message
    assert "correct that entry" in refused.value.message


def test_another_file_takes_its_place_for_the_process(tmp_path, monkeypatch):
    monkeypatch.setattr(module._InForce, "catalogue", None)
    path = tmp_path / "own.toml"
    path.write_text(TEXT.replace("proposes_from_fen = 1_000_000_000", "proposes_from_fen = 5"), encoding="utf-8")
    assert module.install_catalogue(str(path)).flag("amount").proposes_from_fen == 5
    assert module.get_catalogue().flag("amount").proposes_from_fen == 5
    assert load_catalogue().flag("amount").proposes_from_fen == 1_000_000_000


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(CatalogueError, match="case_catalogue"):
        load_catalogue(str(tmp_path / "none.toml"))


def test_an_unknown_code_is_told_with_the_known_ones():
    with pytest.raises(UnknownCodeError, match="stay"):
        load_catalogue().pause("siesta")
