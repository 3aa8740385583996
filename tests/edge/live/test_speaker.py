"""What the officer hears, through the real decoder, an own clock, and ALSA's file device."""

import time

import pytest

from edge.live.mixer import SAMPLES
from edge.live.opus import Encoder
from edge.live.speaker import MAX_TALKERS, PREFILL_BLOCKS, Speaker
from tests.edge.live.sound import measure_tone, tone_block
from tests.waiting import wait_until


class Tape:
    """An output that notes what it was given and when."""

    def __init__(self):
        self.blocks, self.times, self.closed, self.fails = [], [], False, 0

    def write(self, block):
        if self.fails:
            self.fails -= 1
            raise OSError("the card is gone")
        self.blocks.append(block)
        self.times.append(time.monotonic())

    def close(self):
        self.closed = True

    def sound(self):
        return b"".join(self.blocks)


def say(hz, count, start=0):
    encoder = Encoder()
    return [encoder.encode(tone_block(hz, start + n)) for n in range(count)]


@pytest.fixture
def playing():
    made = []

    def begin(tape, **options):
        speaker = Speaker("none", make_output=lambda _: tape, **options)
        speaker.start()
        made.append(speaker)
        return speaker

    yield begin
    for speaker in made:
        speaker.stop()


def test_two_talkers_are_heard_together_at_the_pace_of_their_talk(playing):
    tape = Tape()
    speaker = playing(tape)
    voices = {1: say(440, 60), 2: say(1000, 60)}
    for seq in range(60):
        for stream, packets in voices.items():
            speaker.take(stream, seq, packets[seq])
        time.sleep(0.02)
    wait_until(lambda: len(tape.blocks) >= 58, 10)
    middle = b"".join(tape.blocks[20:45])
    assert measure_tone(middle, 440) > 4000 and measure_tone(middle, 1000) > 4000
    assert measure_tone(middle, 700) < 1000
    assert 0.5 < tape.times[45] - tape.times[5] < 1.6, "by the clock of 20 ms, not as fast as the device takes it"
    assert speaker.is_audible()
    assert {len(block) for block in tape.blocks} == {2 * SAMPLES}


def test_a_stretch_of_talk_is_preceded_by_silence_for_the_card_and_ends_without_a_click(playing):
    tape = Tape()
    speaker = playing(tape)
    for seq, packet in enumerate(say(440, 10)):
        speaker.take(1, seq, packet)
    speaker.end(1)
    wait_until(lambda: len(tape.blocks) >= PREFILL_BLOCKS + 11, 10)
    assert not any(b"".join(tape.blocks[:PREFILL_BLOCKS]))
    last = tape.blocks[-1]
    assert measure_tone(last[-200:], 440) < measure_tone(last[:200], 440), "it dies away"
    assert not speaker.trouble


def test_garbage_of_one_talker_silences_nobody_else(playing):
    tape = Tape()
    speaker = playing(tape)
    good = say(440, 50)
    for seq in range(50):
        speaker.take(1, seq, good[seq])
        speaker.take(2, seq, b"\xff\xff\xffnonsense")
        time.sleep(0.01)
    wait_until(lambda: len(tape.blocks) > 30, 10)
    assert measure_tone(b"".join(tape.blocks[15:30]), 440) > 4000


def test_muted_while_the_officer_talks_and_not_made_up_for_afterwards(playing):
    tape = Tape()
    speaker = playing(tape)
    speaker.is_muted = True
    packets = say(440, 40)
    for seq in range(20):
        speaker.take(1, seq, packets[seq])
        time.sleep(0.02)
    assert tape.blocks == []
    speaker.is_muted = False
    for seq in range(20, 40):
        speaker.take(1, seq, packets[seq])
        time.sleep(0.02)
    wait_until(lambda: len(tape.blocks) > 10, 10)
    assert len(tape.blocks) < 30


def test_a_device_that_fails_is_said_and_tried_again(playing):
    tape = Tape()
    tape.fails = 1
    clock = [0.0]
    speaker = Speaker("none", make_output=lambda _: tape, now_s=lambda: clock[0])
    packets = say(440, 6)
    for seq, packet in enumerate(packets):
        speaker.take(1, seq, packet)
    speaker._play(speaker.step() or b"")
    assert speaker.trouble == "no_speaker" and tape.closed
    clock[0] += 10
    speaker._play(speaker.step() or b"")
    assert speaker.trouble == "" and tape.blocks


def test_no_more_talkers_than_a_small_board_can_mix_and_who_is_silent_makes_room():
    speaker = Speaker("none")
    (packet,) = say(440, 1)
    for stream in range(MAX_TALKERS + 2):
        speaker.take(stream, 0, packet or b"x")
    assert len(speaker._voices) == MAX_TALKERS
    for stream in range(MAX_TALKERS):
        speaker.end(stream)
    speaker.step()
    speaker.step()
    speaker.take(99, 0, b"x")
    assert 99 in speaker._voices


@pytest.mark.by_the_clock
def test_nothing_runs_while_nobody_talks(playing):
    tape = Tape()
    speaker = playing(tape)
    before_s = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - before_s < 0.2 and tape.blocks == [] and not speaker.is_audible()
