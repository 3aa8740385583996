"""docs/roles.md says what the code does."""

import re
from pathlib import Path

from central.courts.permissions import GRAVE_ACTIONS, PERMISSIONS, ROLES
from central.people import posts
from central.web.labels.people import RIGHTS
from central.web.labels.people import ROLES as ROLE_LABELS

PAGE = (Path(__file__).parents[3] / "docs" / "roles.md").read_text(encoding="utf-8")
ROLES_PART, REST = PAGE.split("## The roles")[1].split("## Posts by appointment")
POSTS_PART, TABLE = REST.split("## The table")


def rows(part: str) -> list[list[str]]:
    """Cells of the rows that begin with a code."""
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in re.findall(r"^\| `.*\|$", part, re.M)]


def test_the_table_of_the_page_is_the_table_of_the_code():
    told = {}
    for code, _, chinese, names in rows(TABLE):
        action = re.fullmatch(r"`(\w+)`( \*)?", code)
        told[action[1]] = ROLES if names == "everybody" else tuple(names.split(", "))
        assert (action[2] is not None) is (action[1] in GRAVE_ACTIONS), code
        assert chinese == RIGHTS[action[1]].text
    assert {action: frozenset(names) for action, names in told.items()} == PERMISSIONS


def test_every_role_is_explained_under_its_chinese_name():
    told = {code.strip("`"): (chinese, may, not_) for code, chinese, may, not_ in rows(ROLES_PART)}
    assert tuple(told) == ROLES
    assert {role: chinese for role, (chinese, _, _) in told.items()} == {
        role: label.text for role, label in ROLE_LABELS.items()
    }
    assert all(may and not_ for _, may, not_ in told.values())


def test_the_posts_are_those_of_the_code():
    told = {code.strip("`"): frozenset(names.split(", ")) for code, _, names in rows(POSTS_PART)}
    assert told == posts.HOLDERS
