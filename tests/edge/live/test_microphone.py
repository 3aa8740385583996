"""The officer's words as packets: by the sound's own clock, whatever lumps the recorder hands it over in."""

import itertools

from contract.live import KEY, SOUND_FRAME_US, Type, pack, unpack
from edge.live.jitter import START_FRAMES, JitterBuffer
from edge.live.microphone import Microphone
from edge.recorder.sources import AudioPacket
from edge.recorder.sources.synthetic import SyntheticCamera
from edge.tap import SOUND
from tests.waiting import wait_until

BEGAN_US = 1_795_000_000_000_000


def hear(seconds, lump_us):
    """What a microphone sends of the synthetic camera's tick if the tap hands it over each ``lump_us``."""
    came = []
    camera = SyntheticCamera("dl-2901-01", width=96, height=64, fps=5, bitrate_bps=50_000, sound=True, paced=False)
    microphone = Microphone(lambda packet, time_us, _is_pressed: came.append((packet, time_us)))

    def offer(frame):
        before = microphone.dropped
        microphone.feed(frame)
        return microphone.dropped == before

    def feed(frame):  # no microphone is as fast as this one: what found no room is offered again
        wait_until(lambda: offer(frame), 20, "room")

    feed(unpack(pack(Type.AUDIO, camera.audio.init, flags=KEY, stream=SOUND)))
    for item in camera.items():
        if item.pts_us > seconds * 1_000_000:
            break
        if isinstance(item, AudioPacket):
            handed_us = BEGAN_US + (item.pts_us // lump_us + 1) * lump_us
            feed(unpack(pack(Type.AUDIO, item.data, stream=SOUND, time_us=handed_us)))
    camera.close()
    wait_until(lambda: came and came[-1][1] > BEGAN_US + (seconds - 0.5) * 1_000_000, 20, "the last packets")
    microphone.close()
    return came


def test_words_in_a_row_have_stamps_in_a_row_and_silence_leaves_a_leap():
    for lump_us in (21_333, 40_000, 85_000):
        stamps = [time_us for _, time_us in hear(4, lump_us)]
        steps = [after - before for before, after in itertools.pairwise(stamps)]
        assert all(step % SOUND_FRAME_US == 0 and step > 0 for step in steps), lump_us
        leaps = [step for step in steps if step != SOUND_FRAME_US]
        assert 8 <= len(leaps) <= 12, "three in each second: after the tick, and after each lone packet in its pause"
        assert min(leaps) >= 5 * SOUND_FRAME_US


def test_each_packet_says_whether_its_sound_came_with_the_key_down():
    came = []
    camera = SyntheticCamera("dl-2901-01", width=96, height=64, fps=5, bitrate_bps=50_000, sound=True, paced=False)
    microphone = Microphone(lambda packet, time_us, is_pressed: came.append((time_us, is_pressed)))
    microphone.feed(unpack(pack(Type.AUDIO, camera.audio.init, flags=KEY, stream=SOUND)))
    sounds = [item for item in itertools.islice(camera.items(), 200) if isinstance(item, AudioPacket)][:40]
    camera.close()
    press, release = sounds[10].pts_us, sounds[30].pts_us
    for item in sounds:
        frame = unpack(pack(Type.AUDIO, item.data, stream=SOUND, time_us=BEGAN_US + item.pts_us))
        wait_until(microphone._frames.empty, 20, "room")
        microphone.feed(frame, is_pressed=press <= item.pts_us < release)
    wait_until(microphone._frames.empty, 20, "the last packets")
    microphone.close()
    pressed = [time_us - BEGAN_US for time_us, is_pressed in came if is_pressed]
    others = [time_us - BEGAN_US for time_us, is_pressed in came if not is_pressed]
    assert pressed and min(pressed) >= press - SOUND_FRAME_US and max(pressed) < release + SOUND_FRAME_US
    assert not [one for one in others if press + SOUND_FRAME_US <= one < release - SOUND_FRAME_US]


def test_an_ear_takes_the_pauses_of_a_tick_for_what_they_are():
    buffer = JitterBuffer()
    waiting = [(time_us, seq, packet) for seq, (packet, time_us) in enumerate(hear(5, 40_000))]
    for now_us in range(BEGAN_US, BEGAN_US + 6_000_000, SOUND_FRAME_US):
        while waiting and waiting[0][0] <= now_us:
            time_us, seq, packet = waiting.pop(0)
            assert buffer.push(seq, packet, time_us)
        buffer.pull()
    assert not waiting and buffer.underruns == 0 and buffer.target == START_FRAMES
