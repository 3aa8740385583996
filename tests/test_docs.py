"""The documents name tests, files and decisions that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))


def test_every_test_that_the_invariants_name_exists():
    text = (ROOT / "docs" / "invariants.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+)`", text)
    files = re.findall(r"`(tests/[\w/.]+)`", text)
    assert len(named) > 15
    assert [name for name in named if f"def {name}(" not in SOURCES] == []
    assert [name for name in files if not (ROOT / name).exists()] == []


def test_every_invariant_names_a_test_in_a_file_that_holds_it():
    text = (ROOT / "docs" / "invariants.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| [KCP]\d+ \|.*$", text, re.M)
    assert len(rows) > 15
    check_rows(rows)


def test_every_complaint_is_answered_by_a_test_in_a_file_that_holds_it():
    text = (ROOT / "docs" / "complaints.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| .*$", text, re.M)[1:]  # after the headings
    assert len(rows) == 10
    check_rows(rows)


def check_rows(rows):
    for row in rows:
        named = set(re.findall(r"`(test_\w+)`", row))
        held = {
            name
            for path in re.findall(r"`(tests/[\w/.]+\.py)`", row)
            for name in re.findall(r"def (test_\w+)\(", (ROOT / path).read_text(encoding="utf-8"))
        }
        assert named, f"no test proves this: {row}"
        assert named <= held, f"{named - held} stands in none of the files named: {row}"


def test_every_decision_is_listed_and_dated():
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(path.name for path in folder.glob("0*.md"))
    for name in listed:
        assert re.search(r"^\d{4}-\d{2}-\d{2}$", (folder / name).read_text(encoding="utf-8"), re.M), name


def test_links_between_documents_lead_somewhere():
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (path.parent / target).exists(), f"{path.relative_to(ROOT)}: {target}"
