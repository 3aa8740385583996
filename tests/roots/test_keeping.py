import os
import threading

import pytest

from tests.roots.keeping import keep
from tests.roots.needs import require_root_tools


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def make(folder):
    folder.mkdir()
    (folder / "whole").touch()


def refuse(_folder):
    raise AssertionError("it was kept, so nothing is made")


def test_made_once_and_anew_when_an_ingredient_changes(tmp_path):
    recipe = tmp_path / "recipe"
    recipe.write_text("one")
    first = keep("root", [recipe], make)
    assert keep("root", [recipe], refuse) == first
    recipe.write_text("two")
    assert keep("root", [recipe], make) != first


def test_one_whose_making_broke_off_is_never_taken():
    def break_off(folder):
        make(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keep("root", ["recipe"], break_off)
    kept = keep("root", ["recipe"], make)
    assert [path.name for path in kept.parent.glob("root-*")] == [kept.name]


def test_a_second_one_waits_for_the_first():
    began, go_on, made = threading.Event(), threading.Event(), []

    def make_slowly(folder):
        began.set()
        go_on.wait(10)
        make(folder)
        made.append(folder)

    first = threading.Thread(target=keep, args=("root", ["recipe"], make_slowly))
    first.start()
    began.wait(10)
    second = threading.Thread(target=keep, args=("root", ["recipe"], make_slowly))
    second.start()
    go_on.set()
    first.join(10)
    second.join(10)
    assert len(made) == 1


def test_one_long_unused_is_forgotten():
    old = keep("root", ["old"], make)
    os.utime(old, (0, 0))
    keep("root", ["new"], make)
    assert not old.exists()


def test_a_missing_tool_is_named():
    with pytest.raises(pytest.skip.Exception, match="no-such-program: run the tests as root, after `apt-get"):
        require_root_tools("no-such-program")
