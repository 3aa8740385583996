"""The build hook: what it makes, that it does nothing twice, and what it says when it cannot."""

import importlib.util
import json
import re
import shutil
from pathlib import Path

import pytest

from central.web.app import AssetsMissingError

ROOT = Path(__file__).parents[3]
WEB = ROOT / "central" / "web"


@pytest.fixture(scope="module")
def hook():
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_borders_are_those_of_dali():
    features = json.loads((WEB / "static" / "geo" / "dali.json").read_text(encoding="utf-8"))["features"]
    kinds = [feature["properties"]["kind"] for feature in features]
    assert kinds.count("county") == 12
    assert kinds.count("prefecture") == 1
    assert kinds == sorted(kinds, key=("neighbour", "county", "prefecture").index)
    for feature in features:
        if feature["properties"]["kind"] == "county":
            for lon, lat in feature["geometry"]["coordinates"][0][0]:
                assert 98.5 < lon < 101.5
                assert 24.3 < lat < 27.0


def test_second_run_does_nothing(hook):
    said = []
    hook.refresh_assets(WEB, said.append)
    assert said == ["up to date"]


def test_change_of_the_lock_is_noticed(hook, tmp_path):
    for name in ("package.json", "package-lock.json"):
        shutil.copy(WEB / name, tmp_path)
    before = hook._stamp(tmp_path)
    (tmp_path / "package-lock.json").write_text("{}")
    assert hook._stamp(tmp_path) != before


def test_unreachable_registry_is_told_with_its_remedy(hook, tmp_path, monkeypatch):
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(WEB / name, tmp_path)
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    with pytest.raises(hook.AssetsError) as caught:
        hook.refresh_assets(tmp_path, lambda _text: None)
    assert "npm could not fetch the browser libraries (" in str(caught.value)
    assert "Remedy: make the npm registry reachable" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lock_names_no_address():
    lock = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert set(packages) == {"node_modules/htmx.org", "node_modules/leaflet"}
    for package in packages.values():
        assert "resolved" not in package
        assert package["integrity"].startswith("sha512-")


def test_every_icon_used_is_drawn():
    drawn = set(re.findall(r'<symbol id="([^"]+)"', (WEB / "static" / "icons.svg").read_text(encoding="utf-8")))
    used = set()
    for path in (WEB / "templates").rglob("*.html"):
        for call in re.findall(r"icon\(([^)]*)\)", path.read_text(encoding="utf-8")):
            used |= set(re.findall(r'"([a-z-]+)"', call)) - {"open", "acknowledged", "withdrawn"}
    labels = "".join(path.read_text(encoding="utf-8") for path in (WEB / "labels").glob("*.py"))
    used |= set(re.findall(r'Label\(_\("[^"]+"\), "([a-z-]+)"', labels))
    for path in (WEB / "static" / "js").glob("*.js"):
        used |= set(re.findall(r"'#([a-z-]+)'", path.read_text(encoding="utf-8")))
    used = {name for name in used if not re.fullmatch("[0-9a-f]+", name)} - {"office-siren"}  # colours, an element
    assert used - drawn - {"opened"} == set()


def test_missing_libraries_stop_the_start(store, settings, monkeypatch, tmp_path):
    from central.live.hub import Hub
    from central.web import app

    monkeypatch.setattr(app, "STATIC_DIR", tmp_path)
    with pytest.raises(AssetsMissingError, match="make setup"):
        app.create_app(settings, store, Hub(store))


@pytest.mark.parametrize("path", sorted((WEB / "templates").rglob("*.html")), ids=lambda path: path.name)
def test_no_template_asks_htmx_to_evaluate_anything(path):
    """Our policy of contents refuses `eval`: a filter in a trigger, an hx-on or a js: value would do nothing."""
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"""hx-trigger=(["'])(?:(?!\1).)*\[""", text)
    assert not re.search(r"hx-on[:=-]|hx-(?:vals|headers|vars)=.(?:js|javascript):|hx-vars=", text)
