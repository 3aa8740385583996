"""A recording whose first seconds are from before the press, without their sound, plays through in the browser."""

import pytest

from edge.recorder.moment import Moment
from edge.recorder.segmenter import Segmenter
from edge.recorder.silence import make_silence
from edge.recorder.sources import AudioPacket
from edge.recorder.sources.encoding import SoundEncoder
from tests.browser.footage import Footage
from tests.edge.recorder.test_habits import loud_packets
from tests.fakes.camera import FPS, real_frames
from tests.waiting import wait_until

pytestmark = pytest.mark.browser

PRESS_US = 4_000_000


def cut_with_silence_before_the_press(seconds):
    """Segments of real pictures; silence stands for the sound of before PRESS_US."""
    encoder = SoundEncoder()
    audio = encoder.format
    encoder.close()
    silence, voice = make_silence(audio), loud_packets(4)[-1]
    segmenter, segments, next_us = Segmenter(target_s=2, fps=FPS, audio=audio), [], 0
    for frame in real_frames()[: seconds * FPS + 1]:
        while next_us <= frame.pts_us:
            data = silence if next_us < PRESS_US else voice
            segmenter.feed(AudioPacket(data, next_us, 21_333), Moment(0, 0))
            next_us += 21_333
        finished = segmenter.feed(frame, Moment(0, 0))
        if finished:
            segments.append(finished)
    return segments


def test_it_plays_from_its_beginning_into_the_sound(open_page, world):
    stated = {"pre_event_ms": PRESS_US // 1000, "pre_event_sound": False, "sound": "on", "cause": "sos"}
    footage = Footage(world, "dl-2901-01", world.now_ms() - 60_000, opening=stated)
    for segment in cut_with_silence_before_the_press(8):
        footage.add(segment)
    footage.close()
    page = open_page("zhihui", f"/recordings/{footage.id}")
    assert "不含声音" in page.locator("main").inner_text()
    page.get_by_label("调阅用途").fill("核实执行现场情况")
    page.get_by_role("button", name="解密并播放").click()
    video = page.locator("video")
    wait_until(lambda: video.evaluate("v => v.buffered.length === 1 && v.buffered.end(0) > 7.5"), 20, "one stretch")
    assert video.evaluate("v => v.buffered.start(0)") < 0.1
    wait_until(lambda: video.evaluate("v => v.currentTime > 4.5 && !v.error"), 20, "playing past the press")
