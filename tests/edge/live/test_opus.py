"""Sound through the real codecs: what is said is heard, and garbage breaks nothing."""

import math
from array import array

import av
import pytest

from edge.live.mixer import SAMPLES, measure_peak
from edge.live.opus import Decoder, Encoder, SoundError, Unpacker
from edge.recorder.sources.encoding import SoundEncoder
from tests.edge.live.sound import find_tone, tone_block


def test_a_tone_is_the_same_tone_after_opus():
    encoder, decoder = Encoder(), Decoder()
    packets = [encoder.encode(tone_block(440, n)) for n in range(50)]
    assert all(len(packet) < 200 for packet in packets)
    heard = b"".join(decoder.decode(packet) for packet in packets if packet)
    assert find_tone(heard[-20 * 2 * SAMPLES :]) == pytest.approx(440, abs=5)
    assert measure_peak(heard) > 5000


def test_garbage_is_named_and_the_next_packet_is_heard():
    encoder, decoder = Encoder(), Decoder()
    packets = [encoder.encode(tone_block(440, n)) for n in range(30)]
    decoder.decode(packets[1])
    for junk in (b"\xff" * 3, bytes(range(256)), b"\x03"):
        try:
            decoder.decode(junk)
        except SoundError as error:
            assert "cannot be decoded" in str(error)
    assert find_tone(b"".join(decoder.decode(packet) for packet in packets[2:])[-16 * SAMPLES :]) == pytest.approx(
        440, abs=5
    )


def test_the_recorders_aac_becomes_blocks_of_20_ms():
    audio = SoundEncoder()
    unpacker = Unpacker(audio.format.init)
    blocks = []
    for n in range(60):
        samples = array(
            "h", [int(12_000 * math.sin(2 * math.pi * 440 * (n * 1024 + i) / 44_100)) for i in range(1024)]
        )
        frame = av.AudioFrame(format="s16", layout="mono", samples=1024)
        frame.planes[0].update(samples.tobytes())
        frame.sample_rate = 44_100
        for packet in audio.encode(frame, round(n * 1024 * 1_000_000 / 44_100)):
            blocks += unpacker.unpack(packet.data)
    assert {len(block) for block in blocks} == {2 * SAMPLES}
    assert len(blocks) > 55
    assert find_tone(b"".join(blocks[20:40])) == pytest.approx(440, abs=5)
    list(unpacker.unpack(b"\xff\x01garbage"))  # whatever the codec makes of it, nothing is raised
    audio.close()


def test_a_configuration_that_is_none_is_named():
    with pytest.raises(SoundError, match="cannot be read"):
        Unpacker(b"not an mp4")
