"""Two people speak over a far and lossy link: one browser beyond it, one beside the centre."""

from __future__ import annotations

import os
import statistics
from contextlib import ExitStack

import pytest
from playwright.sync_api import sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.talking import (
    FAKE_DEVICES,
    RelayThread,
    begin_session,
    delays,
    end_session,
    hold,
    join_voice,
    let_go,
    log_in,
    sounds,
    with_relay,
    write_tone,
)
from tests.central.web.serving import Server
from tests.network.bad_link import BadLink, LinkShape
from tests.network.namespaces import Namespace, why_not
from tests.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.skipif(os.geteuid() != 0, reason=why_not() or "root")]
PORT = 8080
FAR = LinkShape(delay_ms=60, loss=0.02, kbit_s=8000, queue_kb=256)


def wrap(folder, space):
    """Chromium inside a namespace; Playwright speaks to it by pipe."""
    program = folder / f"chromium-{space.name}"
    program.write_text(f'#!/bin/sh\nexec nsenter --net={space.path} -- {CHROMIUM} "$@"\n')
    program.chmod(0o755)
    return str(program)


def test_they_hear_each_other_over_a_far_and_lossy_link(world, tmp_path):
    tone = write_tone(tmp_path / "tone.wav")
    with ExitStack() as stack:
        field, centre = (stack.enter_context(Namespace(label)) for label in ("field", "centre"))
        link = stack.enter_context(BadLink(field, centre, FAR))
        settings = with_relay(world.settings, link.far)
        relay, server = RelayThread(settings, world.store), None
        with centre.inside():
            server = Server(settings, world.store, world.bus, PORT, host=link.far)
            address = server.start()
            relay.start()
        stack.callback(server.stop)
        stack.callback(relay.stop)
        session_id = begin_session(world)
        playwright = stack.enter_context(sync_playwright())
        flags = [
            *FLAGS, *FAKE_DEVICES, f"--use-file-for-fake-audio-capture={tone}",
            f"--unsafely-treat-insecure-origin-as-secure={address}",
        ]  # fmt: skip
        pages = []
        for login, space in (("juzhang", field), ("zhihui", centre)):
            browser = playwright.chromium.launch(executable_path=wrap(tmp_path, space), args=flags)
            stack.callback(browser.close)
            page = browser.new_context(base_url=address, locale="zh-CN").new_page()
            log_in(page, login)
            page.goto(f"/command/{session_id}/join")
            join_voice(page)
            pages.append(page)
        for way, (talker, listener) in {"up": pages, "down": pages[::-1]}.items():
            wait_until(lambda pair=(talker, listener): not any(map(sounds, pair)), 10, "silence")
            hold(talker)
            wait_until(lambda one=listener: len(one.evaluate("window.ear.onsets")) >= 5, 40, "five beeps")
            took = delays(talker, listener)
            let_go(talker)
            print(
                f"\n60 ms, 2 % loss, {way}: mouth to ear p50 {statistics.median(took):.0f} ms, most {max(took):.0f}"
            )
            assert statistics.median(took) < 600
        end_session(world, session_id)
