"""voice_p50_ms: mouth to ear, ms; operator to officer, operator to operator and officer to operator.

A real kit, the real relay, two operators in a real Chromium with its fake microphone, which beeps from a file. All on
one machine with one clock, over loopback and mutual TLS. ``voice_p50_ms`` is the worst of the three ways.

Counted, at a browser: from the microphone's node in the page's graph (so without the device and Chromium's capture
before it) to the loudspeaker's node, by the sound card's clock, so with the device's own delay as Chromium tells it.

Counted, at the kit's loudspeaker: up to the moment at which a sound card would play the sample. The device is ALSA's
file device, which holds back a fixed number of bytes (measured first); the file is looked at each 2 ms, and so tells
when each block of 20 ms was handed over. A card plays them one after the other and begins anew when it has run dry:
the silence that the kit sends ahead into an empty card counts, and so does the place of a sample within its block.
``handed_p50_ms`` is without that: up to the handing over. Not counted: the delay of a real card and its amplifier.

Counted, at the kit's microphone: from the moment at which the tick's first sample is in the air. The synthetic camera
gives sound in periods of 10 ms, each when it is over; `bench.voice_mouth` tells when it ticks. Not counted: what a
real microphone and its driver add to their period.
"""

from __future__ import annotations

import array
import bisect
import contextlib
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, sync_playwright

from bench.report import percentile, report
from bench.stand import open_stand
from bench.voice_mouth import Mouth
from contract.live import SOUND_RATE
from demo.command import end_session, open_session
from demo.places import PARTS
from demo.stand import Stand
from edge.live.speaker import AvOutput
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.talking import FAKE_DEVICES, join_voice, let_go, write_tone
from tests.browser.talking import hold as press

_WANTED_MS: Final = 160
_FPS: Final = 25
_CAMERA: Final = {"kind": "synthetic", "width": 1280, "height": 720, "fps": _FPS, "bitrate_bps": 1_400_000}
_TALK_S: Final = 25.0
_SETTLE_S: Final = 4.0
_LIMIT_S: Final = 60.0
_POLL_S: Final = 0.002
# As the browsers' script has it: this is loud, and so much silence goes before an onset.
_LOUD: Final = round(0.02 * 32768)
_APART_S: Final = 0.5
_NEAR_MS: Final = 900
_BYTES_S: Final = 2 * SOUND_RATE
_BLOCK: Final = bytes(_BYTES_S // 50)
_ALSA: Final = """pcm.nothing {{ type null }}
pcm.ear {{ type file slave.pcm "nothing" file "{folder}/ear.raw" format "raw" }}
pcm.gauge {{ type file slave.pcm "nothing" file "{folder}/gauge.raw" format "raw" }}
"""
_OUTPUT_MS: Final = """async () => {
  const script = [...document.scripts].find((script) => script.src.includes('voice-panel'));
  const { voice } = (await import(script.src)).panel;
  return 1000 * voice.context.outputLatency;
}"""


def measure() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory(prefix="zhixing-voice-") as name, _sound_cards(Path(name)) as folder:
        ear = _Ear(folder / "ear.raw", _measure_held_back(folder / "gauge.raw"))
        with open_stand() as stand:
            stand.start_services()
            stand.enrol_kit(PARTS[0])
            stand.start_kit(PARTS[0], camera=_CAMERA, live={"speaker": "alsa:ear"})
            stand.wait_until(lambda: stand.count_seen_kits() >= 1, "the kit to be seen")
            time.sleep(_SETTLE_S)
            with _browser(write_tone(folder / "tone.wav")) as browser, ear:
                talker, listener = (_log_in(browser, stand, login) for login in ("commander", "duty"))
                middles = [*_measure_operator(stand, talker, listener, ear), _measure_officer(stand, talker)]
    report("voice_p50_ms", max(middles), "ms", wanted_ms=_WANTED_MS, how="the worst of the three ways", load=_load())


def _measure_operator(stand: Stand, talker: Page, listener: Page, ear: _Ear) -> list[float]:
    """An operator talks; the officer and another operator hear the same beeps. The officer's button is up."""
    session_id = open_session(stand, [PARTS[0].kit_id], voice="ptt")
    for page in (talker, listener):
        _join(stand, page, session_id)
    # The file shows nothing before ALSA's buffer has been full once, and the card runs dry before it counts.
    press(talker)
    stand.wait_until(ear.has_shown, "the officer's loudspeaker", _LIMIT_S)
    let_go(talker)
    talker.wait_for_timeout(1500)
    held_ms = time.time() * 1000
    press(talker)
    talker.wait_for_timeout(_TALK_S * 1000)
    # The script tells when a sample at a node comes out of the loudspeaker; it went in at the mouth so much earlier.
    output_ms = float(talker.evaluate(_OUTPUT_MS))
    said = [at_ms - output_ms for at_ms in talker.evaluate("window.mouth.onsets") if at_ms - output_ms > held_ms]
    heard = listener.evaluate("window.ear.onsets")
    let_go(talker)
    end_session(stand, session_id)
    played, handed = ear.find_onsets()
    handed_ms = round(statistics.median(_match(said, handed) or [0.0]))
    return [
        _report_way("voice_to_kit", _match(said, played), handed_p50_ms=handed_ms),
        _report_way("voice_to_browser", _match(said, heard), of_it_output_ms=round(output_ms)),
    ]


def _measure_officer(stand: Stand, page: Page) -> float:
    """The officer's microphone is open all the time; an operator hears its tick."""
    session_id = open_session(stand, [PARTS[0].kit_id], voice="duplex")
    with Mouth(stand.stage.kit_dir(PARTS[0]), _FPS) as mouth:
        _join(stand, page, session_id)
        stand.wait_until(lambda: page.evaluate("window.ear.onsets.length > 0"), "the officer's tick", _LIMIT_S)
        page.wait_for_timeout(_TALK_S * 1000)
        heard = page.evaluate("window.ear.onsets")
    end_session(stand, session_id)
    return _report_way("voice_from_kit", _match(mouth.onsets, heard))


def _match(said: list[float], heard: list[float]) -> list[float]:
    """Mouth to ear, ms, of each beep heard that was said shortly before."""
    nearest = [(at_ms, [one for one in said if 0 < at_ms - one < _NEAR_MS]) for at_ms in heard]
    return [at_ms - max(before) for at_ms, before in nearest if before]


def _report_way(name: str, took: list[float], **detail: Any) -> float:
    if not took:
        raise TimeoutError(f"{name}: nothing was heard.")
    detail |= {"beeps": len(took), "min_ms": round(min(took)), "max_ms": round(max(took))}
    middle = percentile(took, 0.5)
    report(f"{name}_p50_ms", middle, "ms", **detail, wanted_ms=_WANTED_MS, link="loopback, mutual TLS", load=_load())
    return middle


def _load() -> float:
    return round(os.getloadavg()[0], 1)


@contextmanager
def _sound_cards(folder: Path) -> Iterator[Path]:
    """ALSA has nothing but our file devices, here and in every child."""
    before = os.environ.get("ALSA_CONFIG_PATH")
    (folder / "alsa.conf").write_text(_ALSA.format(folder=folder), encoding="utf-8")
    os.environ["ALSA_CONFIG_PATH"] = str(folder / "alsa.conf")
    try:
        yield folder
    finally:
        if before is None:
            del os.environ["ALSA_CONFIG_PATH"]
        else:
            os.environ["ALSA_CONFIG_PATH"] = before


def _measure_held_back(file: Path) -> int:
    """How many bytes ALSA's file device keeps to itself when it is opened and fed as the kit does."""
    output, given = AvOutput("alsa:gauge"), 0
    try:
        while not (file.exists() and file.stat().st_size):
            output.write(_BLOCK)
            given += len(_BLOCK)
        return given - file.stat().st_size
    finally:
        output.close()


@contextmanager
def _browser(tone: Path) -> Iterator[Browser]:
    flags = [*FLAGS, *FAKE_DEVICES, f"--use-file-for-fake-audio-capture={tone}"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=flags)
        yield browser
        browser.close()


def _log_in(browser: Browser, stand: Stand, login: str) -> Page:
    page = browser.new_context(base_url=f"http://127.0.0.1:{stand.ports.web}", locale="zh-CN").new_page()
    page.goto("/login")
    page.fill("input[name=login]", login)
    page.fill("input[name=password]", stand.stage.read_passwords()[login])
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "/login" not in url)
    return page


def _join(stand: Stand, page: Page, session_id: str) -> None:
    page.goto(f"http://127.0.0.1:{stand.ports.web}/command/{session_id}/join")
    join_voice(page)


class _Ear:
    """Notes when ALSA's file grows; use as a context manager."""

    def __init__(self, file: Path, held_back: int) -> None:
        self._file, self._held_back = file, held_back
        self._grown: list[tuple[float, int]] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ear", daemon=True)

    def __enter__(self) -> _Ear:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        last = 0
        while not self._stopping.wait(_POLL_S):
            with contextlib.suppress(FileNotFoundError):
                size = self._file.stat().st_size
                if size > last:
                    self._grown.append((time.time(), size))
                    last = size

    def has_shown(self) -> bool:
        """Whether ALSA's buffer has been full, so that each block is seen from now on."""
        return bool(self._grown)

    def find_onsets(self) -> tuple[list[float], list[float]]:
        """When each beep was played by a card, and when it was handed over; ms since 1970, only what was seen."""
        grown = list(self._grown)
        given = [size + self._held_back for _, size in grown]
        # What a card plays next after each growth, and when.
        begins, end_s = [0.0], 0.0
        for (at_s, _), before, after in zip(grown[1:], given, given[1:], strict=False):
            begins.append(max(at_s, end_s))
            end_s = begins[-1] + (after - before) / _BYTES_S
        played, handed = [], []
        for place in self._find_loud():
            index = bisect.bisect_right(given, place)
            if 0 < index < len(given):
                played.append(1000 * (begins[index] + (place - given[index - 1]) / _BYTES_S))
                handed.append(1000 * grown[index][0])
        return played, handed

    def _find_loud(self) -> list[int]:
        """Where in the file each beep begins, in bytes."""
        data = self._file.read_bytes()
        samples = array.array("h", data[: len(data) // 2 * 2])
        places, last = [], -SOUND_RATE
        for number, sample in enumerate(samples):
            if abs(sample) > _LOUD:
                if number - last > _APART_S * SOUND_RATE:
                    places.append(2 * number)
                last = number
        return places


if __name__ == "__main__":
    measure()
