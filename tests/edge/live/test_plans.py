"""What each stream carries, and what goes before the picture."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import messages
from contract.live import LOW, MAIN
from edge.live.context import LinkFacts
from edge.live.plans import PASS, Limits, Recorded, choose_plans
from edge.live.rules import Circumstances, find_note, read_circumstances
from edge.settings import Settings, build_settings
from edge.spool import Spool, open_spool

HD = Recorded(2000, 1280, 720, 25)


def limits(kbps: float, **more: object) -> Limits:
    return Limits(**{"kbps": kbps, "low_kbps": 250, "metered_kbps": 400, **more})  # type: ignore[arg-type]


class TestPlans:
    def test_what_fits_is_passed_on_as_it_was_recorded(self) -> None:
        assert choose_plans([MAIN], HD, limits(2000)) == {MAIN: PASS}

    def test_what_does_not_fit_is_made_smaller_in_steps(self) -> None:
        heights = [choose_plans([MAIN], HD, limits(kbps))[MAIN].height for kbps in (1500, 700, 300, 100)]
        assert heights == [720, 540, 360, 240]
        assert choose_plans([MAIN], HD, limits(100))[MAIN].fps < 10

    def test_the_small_one_is_small_and_small_cameras_are_passed_on(self) -> None:
        plan = choose_plans([LOW], HD, limits(9000))[LOW]
        assert (plan.width, plan.height) == (640, 360) and plan.kbps <= 250
        assert choose_plans([LOW], Recorded(200, 640, 360, 25), limits(9000)) == {LOW: PASS}

    def test_upright_pictures_keep_their_shape(self) -> None:
        plan = choose_plans([LOW], Recorded(2000, 720, 1280, 25), limits(9000))[LOW]
        assert (plan.width, plan.height) == (202, 360)

    def test_bytes_that_cost_are_few_together(self) -> None:
        plans = choose_plans([MAIN, LOW], HD, limits(9000, is_metered=True))
        assert sum(plan.kbps for plan in plans.values()) <= 400

    @pytest.mark.parametrize("why", ["is_thin", "paused"])
    def test_no_picture_where_something_else_needs_the_link(self, why: str) -> None:
        assert choose_plans([MAIN, LOW], HD, limits(9000, **{why: True})) == {}

    @given(
        st.sets(st.sampled_from([MAIN, LOW])),
        st.floats(48, 20_000),
        st.booleans(),
        st.tuples(st.integers(0, 3840), st.integers(0, 2160)),
    )
    def test_any_plan_fits_the_link_and_the_encoder(
        self, wanted: set[int], kbps: float, metered: bool, size: tuple[int, int]
    ) -> None:
        recorded = Recorded(4000, *size, 30)
        plans = choose_plans(wanted, recorded, limits(kbps, is_metered=metered))
        assert set(plans) == wanted
        for plan in plans.values():
            if plan != PASS:
                assert plan.width % 2 == plan.height % 2 == 0
                assert plan.width >= 2 and plan.height >= 2 and plan.fps > 0
                assert plan.kbps <= max(32, kbps)


class TestCircumstances:
    @pytest.fixture
    def spool(self, tmp_path: Path) -> Iterator[Spool]:
        with open_spool(tmp_path / "spool.db") as spool:
            yield spool

    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        table = {"kit": {"id": "dl-2901-01"}, "mqtt": {"host": "h"}, "door": {"url": "https://h:1"}}
        return build_settings(table, base=tmp_path)

    def test_an_sos_has_the_link_until_the_centre_has_it(self, spool: Spool, settings: Settings) -> None:
        alarm = messages.Alarm(alarm_id=os.urandom(16).hex(), kind="sos", pressed_ms=1)
        entry = spool.outbox.append("alarm", messages.encode(alarm), urgent=True)
        now = read_circumstances(spool, settings, LinkFacts(), Circumstances())
        assert now.pauses_picture and find_note(now, is_thin=False, no_camera=False) == "sos_first"
        spool.outbox.release([(entry, entry)])
        # Not yet taken by a person, but the centre has it: now it wants to see.
        now = read_circumstances(spool, settings, LinkFacts(), now)
        assert spool.outbox.unsettled_sos() and not now.pauses_picture

    def test_late_voice_goes_first_until_it_flows(self, spool: Spool, settings: Settings) -> None:
        facts = LinkFacts(voice_late_s=0.5)
        now = read_circumstances(spool, settings, facts, Circumstances())
        assert now.pauses_picture
        facts.voice_late_s = 0.1
        now = read_circumstances(spool, settings, facts, now)
        assert now.pauses_picture
        facts.voice_late_s = 0.0
        assert not read_circumstances(spool, settings, facts, now).pauses_picture

    def test_metered_as_the_uploader_says(self, spool: Spool, settings: Settings) -> None:
        assert not read_circumstances(spool, settings, LinkFacts(), Circumstances()).is_metered
        spool.state.set("metered", {"on": True, "why": "officer", "thin": False})
        now = read_circumstances(spool, settings, LinkFacts(), Circumstances())
        assert now.is_metered and find_note(now, is_thin=False, no_camera=False) == "metered"
