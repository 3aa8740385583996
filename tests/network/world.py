"""A kit's side and the centre's side of a bad link, each in a namespace of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.places import Part
from demo.stage import Stage
from demo.stand import Stand
from tests.network.bad_link import BadLink, LinkShape
from tests.network.namespaces import Namespace


@dataclass
class World:
    """Both sides and what is between them: `link.far` is the centre's address."""

    field: Namespace
    centre: Namespace
    link: BadLink
    stand: Stand

    def enrol(self, part: Part) -> None:
        """At the desk, before the kit goes out."""
        with self.centre.inside():
            self.stand.enrol_kit(part)

    def start_kit(self, part: Part, **changes: Any) -> None:
        """Start a kit in the field; ``changes`` as in `Stand.start_kit`."""
        with self.field.inside():
            self.stand.start_kit(part, **changes)

    def press(self, part: Part, button: str) -> dict[str, Any]:
        """Press a button in the field; what the kit answered."""
        with self.field.inside():
            return self.stand.press(part.kit_id, button)


@contextlib.contextmanager
def open_world(folder: Path, shape: LinkShape) -> Iterator[World]:
    """A running centre beyond a link of this shape; no process and no namespace is left behind."""
    with Namespace("field") as field, Namespace("centre") as centre, BadLink(field, centre, shape) as link:
        stage = Stage(folder / "stage", folder / "escrow.age", host=link.far)
        stage.set_up(has_cases=False)
        stand = Stand(stage)
        try:
            with centre.inside():
                stand.start_services()
            yield World(field, centre, link, stand)
        finally:
            stand.stop()
