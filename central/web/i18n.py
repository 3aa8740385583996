"""Words of the pages: Simplified Chinese in the templates themselves, English by a catalogue.

The `.po` files, one for each group of pages, are read at the start of the process; there is no compile step.
A Chinese sentence is its own key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final, Literal

from babel.messages.pofile import read_po

Language = Literal["zh", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")
LANGUAGE_COOKIE = "zhixing_language"
LOCALE_DIR = Path(__file__).with_name("locale")


@dataclass(frozen=True)
class Words:
    """The words of one language; calling it translates a sentence and fills in `%(name)s`."""

    language: Language
    messages: dict[str, str] = field(default_factory=dict)

    def __call__(self, text: str, **values: object) -> str:
        """Return `text` in this language."""
        translated = self.messages.get(text) or text
        return translated % values if values else translated

    def choose(self, zh: str, en: str) -> str:
        """Pick one of two texts that are data, such as the names of a court."""
        return (en or zh) if self.language == "en" else zh

    @property
    def html_lang(self) -> str:
        """Value of the page's `lang` attribute (BCP 47)."""
        return "en" if self.language == "en" else "zh-CN"


def note(text: str) -> str:
    """Mark a Chinese text for the catalogue where it stands in a table; it is translated when shown."""
    return text


@cache
def load_words(language: Language) -> Words:
    """Return the words of `language`, read once."""
    if language == "zh":
        return Words("zh")
    messages: dict[str, str] = {}
    for path in sorted((LOCALE_DIR / "en").glob("*.po")):
        with path.open("rb") as file:
            messages |= {str(m.id): str(m.string) for m in read_po(file, locale="en") if m.id and m.string}
    return Words("en", messages)


def choose_language(cookie: str | None, default: Language) -> Language:
    """Return the language a browser asked for by cookie, else the configured one."""
    for language in LANGUAGES:
        if cookie == language:
            return language
    return default
