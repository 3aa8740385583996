"""XML parts of a workbook, parsed as a stream; document types and entities are refused, as defusedxml does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO, Any, NoReturn
from xml.parsers import expat

from central.imports.rules import DamagedFileError

_BLOCK_BYTES = 64 * 1024
Attributes = dict[str, str]


def local_name(name: str) -> str:
    """Return a name without its prefix: transitional and strict workbooks differ in nothing else."""
    return name.rpartition(":")[2]


def feed(
    part: IO[bytes],
    on_start: Callable[[str, Attributes], None],
    on_end: Callable[[str], None],
    on_text: Callable[[str], None],
) -> Iterator[None]:
    """Parse a part block by block, yielding after each; raises DamagedFileError."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = on_start
    parser.EndElementHandler = on_end
    parser.CharacterDataHandler = on_text
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.ExternalEntityRefHandler = _refuse
    try:
        while block := part.read(_BLOCK_BYTES):
            parser.Parse(block, False)
            yield
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise damaged() from error
    yield


def _refuse(*_: Any) -> NoReturn:
    raise damaged()


def damaged() -> DamagedFileError:
    """Return the refusal of a workbook that does not read."""
    return DamagedFileError(
        "This workbook is damaged or cut short: open it in a spreadsheet program and save it again.", row=0
    )
