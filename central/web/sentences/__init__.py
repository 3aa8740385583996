"""What Chinese readers see of a refusal, by the error's code; English readers see the error's own sentence."""

from __future__ import annotations

from typing import Final

from central.web.sentences import cases, field, people

SENTENCES: Final[dict[str, str]] = {**field.SENTENCES, **people.SENTENCES, **cases.SENTENCES}
