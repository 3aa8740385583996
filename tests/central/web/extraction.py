"""Finds every text the pages mark for translation: in templates, in Python and in scripts."""

from __future__ import annotations

from pathlib import Path

from babel.messages.extract import extract_from_dir

WEB = Path(__file__).parents[3] / "central" / "web"
METHODS = [("templates/**.html", "jinja2"), ("**.py", "python"), ("static/js/**.js", "javascript")]
KEYWORDS = {"_": None, "note": None, "words": None}


def extract_texts() -> set[str]:
    """Return the Chinese texts as they stand in the sources."""
    found = extract_from_dir(
        WEB, METHODS, {"**.html": {"trim_blocks": "true", "lstrip_blocks": "true"}}, keywords=KEYWORDS,
        directory_filter=lambda folder: Path(folder).name not in {"node_modules", "vendor", "geo"},
    )  # fmt: skip
    return {str(text) for _, _, text, _, _ in found}
