"""The jitter buffer by itself: order, delay, unrest, outages."""

import json

from hypothesis import given
from hypothesis import strategies as st

from edge.live.jitter import CALM_S, FRAME_S, MOST_FRAMES, SKIP_BEYOND_FRAMES, START_FRAMES, JitterBuffer


def play(arrivals_ms, until_ms):
    """Packets 0, 1, 2... arrive at these times; what is played in each step of 20 ms (None: silence)."""
    buffer, played, waiting = JitterBuffer(), [], sorted((at, seq) for seq, at in enumerate(arrivals_ms))
    for now_ms in range(0, until_ms, 20):
        while waiting and waiting[0][0] <= now_ms:
            _, seq = waiting.pop(0)
            buffer.push(seq, seq.to_bytes(4, "big"))
        packet = buffer.pull()
        played.append(None if packet is None else int.from_bytes(packet, "big"))
    return buffer, played


def heard(played):
    return [seq for seq in played if seq is not None]


def test_on_a_sound_link_all_is_heard_40_ms_late():
    buffer, played = play([20 * n for n in range(200)], 4200)
    assert heard(played) == list(range(200))
    assert played.index(0) == START_FRAMES - 1, "played when the second packet has come"
    assert buffer.underruns == 0, "an end that nobody announced is no lateness"


def test_unrest_within_the_target_is_not_heard():
    arrivals = [20 * n + (19 if n % 3 else 0) for n in range(200)]
    _, played = play(arrivals, 4000)
    first = played.index(0)
    assert played[first : first + 190] == list(range(190))


def test_a_link_with_more_unrest_costs_delay_and_then_no_holes():
    arrivals = [20 * n + (90 if n % 10 == 5 else 0) for n in range(1000)]
    arrivals = [max(arrivals[: n + 1]) for n in range(1000)]  # a WebSocket keeps the order
    buffer, played = play(arrivals, 20_000)
    assert None not in played[300:900]
    assert max(step - seq for step, seq in enumerate(played[:900]) if seq is not None) <= 7, "at most 140 ms"
    assert buffer.underruns < 5


def test_after_an_outage_the_old_is_skipped_and_now_is_heard():
    arrivals = [20 * n if n < 100 or n >= 400 else 8000 for n in range(600)]
    buffer, played = play(arrivals, 12_000)
    after = heard(played[8000 // 20 :])
    assert after[0] >= 399 - buffer.target - 1, "not six seconds of the past"
    assert buffer.skipped > 250


def test_delay_that_nothing_calls_for_goes():
    buffer = JitterBuffer()
    for seq in range(8):
        buffer.push(seq, b"x")
    for seq in range(8, 8 + int(3 * CALM_S / FRAME_S)):
        buffer.push(seq, b"x")
        assert buffer.pull() is not None
    assert buffer.depth <= START_FRAMES + 1


def test_an_announced_end_is_played_at_once_and_is_no_underrun():
    buffer = JitterBuffer()
    buffer.push(1, b"a")
    assert buffer.pull() is None
    buffer.finish()
    assert buffer.pull() == b"a"
    assert buffer.pull() is None and buffer.underruns == 0 and buffer.target == START_FRAMES


def test_repeats_and_stragglers_are_not_played_and_a_sender_that_began_anew_is():
    buffer = JitterBuffer()
    assert buffer.push(1000, b"a") and not buffer.push(1000, b"a") and not buffer.push(999, b"b")
    assert buffer.push(1, b"c"), "a socket connected anew counts from the beginning"
    assert buffer.push(2, b"d")
    wrapping = JitterBuffer()
    assert wrapping.push(0xFFFFFFFF, b"a") and wrapping.push(0, b"b") and not wrapping.push(0xFFFFFFFF, b"a")


def speak(buffer, words, *, lag_ms=lambda seq: 0):
    """Words of (blocks said, blocks left out after them); returns how late each word was first heard, ms."""
    packets, heard_ms, seq, at_ms = [], {}, 0, 0
    for number, (said, left_out) in enumerate(words):
        for place in range(said):
            packets.append((at_ms + lag_ms(seq), seq, at_ms, number if place == 0 else None))
            seq, at_ms = seq + 1, at_ms + 20
        at_ms += 20 * left_out
    for now_ms in range(0, at_ms + 1000, 20):
        while packets and packets[0][0] <= now_ms:
            _, seq, said_ms, number = packets.pop(0)
            assert buffer.push(seq, json.dumps([number, said_ms]).encode(), said_ms * 1000)
        packet = buffer.pull()
        if packet is not None:
            number, said_ms = json.loads(packet)
            if number is not None:
                heard_ms[number] = now_ms - said_ms
    return heard_ms


def test_silence_that_the_sender_leaves_out_is_no_lateness():
    """A tick each second as the kit sends it: what it says, a fifth of a second after it, then one block in 0.4 s."""
    buffer = JitterBuffer()
    late_ms = speak(buffer, [(14, 10), (1, 19), (1, 5)] * 40)
    assert buffer.underruns == 0 and buffer.target == START_FRAMES and buffer.skipped == 0
    assert len(late_ms) == 120 and max(late_ms.values()) <= 20 * START_FRAMES


def test_lateness_within_words_grows_it_and_words_without_shrink_it_again():
    buffer = JitterBuffer()
    unrest = [(30, 20)] * 30
    speak(buffer, unrest, lag_ms=lambda seq: 100 if seq % 15 > 10 else 0)
    assert buffer.underruns > 0 and buffer.target > START_FRAMES
    grown = buffer.target
    calm = JitterBuffer()
    calm.target = grown
    late_ms = speak(calm, [(30, 20)] * (9 * grown))
    assert calm.target == START_FRAMES, "counted on over pauses, though no word is as long as the calm asked for"
    assert max(list(late_ms.values())[-3:]) <= 20 * START_FRAMES


def test_a_lone_packet_in_a_pause_is_not_kept_for_the_next_word():
    buffer = JitterBuffer()
    assert buffer.push(0, b"breath", 0)
    assert [buffer.pull() for _ in range(4)] == [None, None, b"breath", None]
    assert buffer.is_idle


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=300))
def test_whatever_comes_when_it_is_played_in_order_once_and_never_much_is_held(delays):
    arrivals, latest = [], 0
    for n, delay in enumerate(delays):
        latest = max(latest, 20 * n + delay)
        arrivals.append(latest)
    buffer, played = play(arrivals, latest + 1000)
    order = heard(played)
    assert order == sorted(set(order))
    assert len(order) + buffer.skipped + buffer.depth == len(delays)
    assert buffer.depth <= MOST_FRAMES + SKIP_BEYOND_FRAMES
