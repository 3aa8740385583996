"""States of an import, limits, and what it refuses as a whole. Pure.

What is wrong with one row is no error but a Problem (judging.py); its words stand in words.py.
"""

from __future__ import annotations

import re
from typing import ClassVar, Final

from central.base.errors import ConflictError, DomainError, InvalidInputError

# state -> states it may go to; a job that is done, failed, cancelled or refused stays so.
TRANSITIONS: Final[dict[str, frozenset[str]]] = {
    # A person's import for real: another one, the bureau chief, lets it go or refuses it.
    "waiting": frozenset({"queued", "refused", "cancelled"}),
    "queued": frozenset({"running", "cancelled"}),
    "running": frozenset({"queued", "cancelling", "done", "failed"}),
    "cancelling": frozenset({"cancelled", "done", "failed"}),
    "done": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
    "refused": frozenset(),
}
OPEN_STATES: Final = ("queued", "running", "cancelling")
BATCH_ROWS: Final = 250
"""Cases written in one transaction: an SOS never waits longer for the write lock than these take."""
STALE_MS: Final = 60_000
"""A running job without a heartbeat for so long has lost its worker."""
MAX_ATTEMPTS: Final = 5
KEEP_DRY_FILE_MS: Final = 24 * 3600 * 1000
"""How long the sealed file of a dry run waits to be imported for real."""
KEEP_WAITING_MS: Final = 7 * 24 * 3600 * 1000
"""How long an import waits for its release before it is cancelled and its file deleted."""
MAX_REASON_CHARS: Final = 400
MAX_LISTED_REFUSALS: Final = 100_000
MAX_LISTED_WARNINGS: Final = 10_000
"""Problems beyond these are counted, not listed."""
_SOURCE: Final = re.compile(r"[\w.\- ]{1,40}\Z")


class ImportFileError(InvalidInputError):
    """The file cannot be imported as it is."""

    code: ClassVar[str] = "import_file"


class WrongFormError(ImportFileError):
    """The file is neither CSV, XLSX nor JSON."""

    code: ClassVar[str] = "import_wrong_form"


class OldExcelError(ImportFileError):
    """A workbook of Excel 97 (.xls) or a binary one (.xlsb)."""

    code: ClassVar[str] = "import_old_excel"


class PasswordedFileError(ImportFileError):
    """The workbook asks for a password."""

    code: ClassVar[str] = "import_password"


class DamagedFileError(ImportFileError):
    """The file is cut short or damaged."""

    code: ClassVar[str] = "import_damaged"


class OverpackedFileError(ImportFileError):
    """The workbook unpacks to more than it may."""

    code: ClassVar[str] = "import_overpacked"


class SheetMissingError(ImportFileError):
    """The workbook has no sheet of that name."""

    code: ClassVar[str] = "import_sheet_missing"


class DateSystemError(ImportFileError):
    """The workbook counts days from 1904."""

    code: ClassVar[str] = "import_date_system"


class ColumnsMissingError(ImportFileError):
    """No heading row, or one without the columns every case needs."""

    code: ClassVar[str] = "import_columns_missing"


class ColumnTwiceError(ImportFileError):
    """Two columns of the file mean the same."""

    code: ClassVar[str] = "import_column_twice"


class MappingError(ImportFileError):
    """The mapping of headings cannot be used."""

    code: ClassVar[str] = "import_mapping"


class ExpectedTotalsError(ImportFileError):
    """The control totals cannot be read."""

    code: ClassVar[str] = "import_expected"


class SourceNameError(ImportFileError):
    """The name of the source system cannot be used."""

    code: ClassVar[str] = "import_source"


class ImportTooLargeError(ImportFileError):
    """The file exceeds import_max_bytes."""

    code: ClassVar[str] = "import_too_large"


class ImportStoreFullError(DomainError):
    """There is no room on the centre's disk for the file."""

    code: ClassVar[str] = "import_store_full"


class ImportFileGoneError(DomainError):
    """The sealed file of the job is no longer there, or not as it was."""

    code: ClassVar[str] = "import_file_gone"


class JobEndedError(ConflictError):
    """The job has ended."""

    code: ClassVar[str] = "import_job_ended"


class NotDryRunError(ConflictError):
    """Only a finished dry run can be imported for real."""

    code: ClassVar[str] = "import_not_dry"


class NeedsReleaseError(ConflictError):
    """A person's file is imported for real only after a dry run and another person's release."""

    code: ClassVar[str] = "import_needs_release"


class OwnImportError(ConflictError):
    """Whoever uploaded the file or asked for its import cannot release it."""

    code: ClassVar[str] = "import_own"


class NotWaitingError(ConflictError):
    """The import waits for nobody's release: it was decided, cancelled, or never asked for."""

    code: ClassVar[str] = "import_not_waiting"


def people_of(*names: str) -> frozenset[str]:
    """Return the log-ins of the people among names as the audit has them (`user:login`)."""
    return frozenset(name.removeprefix("user:") for name in names if name.startswith("user:"))


def check_source(source: str) -> str:
    """Return the name of the source system; raises SourceNameError."""
    source = source.strip()
    if not _SOURCE.match(source):
        raise SourceNameError(
            "Name the source system in 1 to 40 letters, digits, spaces, dots, hyphens or underscores; it must stay "
            "the same from import to import."
        )
    return source


def hide_numbers(text: str, limit: int = 60) -> str:
    """Return `text` fit for a problem or a log: a run of six or more digits, such as of an ID number, is hidden."""
    return re.sub(r"\d{6,}[\dXx]?", lambda found: found[0][:2] + "****", text[: 2 * limit])[:limit]
