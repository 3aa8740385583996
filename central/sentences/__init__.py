"""What Chinese readers are told of a refusal, by the error's code; English readers see the error's own sentence.

Pure data, shared by the pages, `/api/v1` and the import's reports.
"""

from __future__ import annotations

from typing import Final

from central.sentences import cases, field, live, people

SENTENCES: Final[dict[str, str]] = {**field.SENTENCES, **people.SENTENCES, **cases.SENTENCES, **live.SENTENCES}
