"""Parts of a record as MP4: real pictures and voices, decoded again by FFmpeg."""

from __future__ import annotations

import io
import math
from array import array
from collections.abc import Iterable

import av
import pytest

from central.command.record_clip import make_clip, parameter_sets
from central.command.record_rules import NoPictureError
from contract.live import Type, pack
from contract.session_record import Item, ItemKind
from tests.central.relay.recording import KIT, PERSON, described, film, tone

START_US = 1_795_500_000_000_000
SOURCE_CLOCK_US = 7_000_000  # the source believes it is shortly after 1970


def items_of(
    units: Iterable[tuple[bytes, bool]],
    *,
    fps: int = 10,
    source: str = KIT,
    stream: int = 0,
    start_us: int = START_US,
) -> list[Item]:
    return [
        Item(
            ItemKind.FRAME,
            start_us + number * 1_000_000 // fps,
            source,
            pack(
                Type.VIDEO,
                data,
                flags=int(is_key),
                stream=stream,
                seq=number,
                time_us=SOURCE_CLOCK_US + number * 1_000_000 // fps,
            ),
        )
        for number, (data, is_key) in enumerate(units)
    ]


def voice_of(packets: Iterable[bytes], *, source: str = PERSON, start_us: int = START_US) -> list[Item]:
    return [
        Item(
            ItemKind.FRAME,
            start_us + number * 20_000,
            source,
            pack(Type.AUDIO, data, stream=2, seq=number, time_us=SOURCE_CLOCK_US + number * 20_000),
        )
        for number, data in enumerate(packets)
    ]


def clip(items: list[Item], source: str = KIT, *, stream: int = 0, from_s: float = 0, until_s: float = 60) -> bytes:
    ordered = sorted(items, key=lambda item: item.at_us)
    start_ms = START_US // 1000
    blocks = make_clip(
        lambda: iter(ordered),
        source,
        stream,
        from_ms=start_ms + round(from_s * 1000),
        until_ms=start_ms + round(until_s * 1000),
    )
    return b"".join(blocks)


def pictures(data: bytes) -> list[tuple[float, int, bytes]]:
    """Second, width and mean brightness of each picture."""
    with av.open(io.BytesIO(data)) as container:
        return [
            (float(shot.pts * shot.time_base), shot.width, bytes(shot.planes[0])[:1])
            for shot in container.decode(video=0)
        ]


def sound(data: bytes) -> array[int]:
    """All samples, 16 bit at 48 kHz."""
    resampler = av.AudioResampler("s16", "mono", 48_000)
    samples: array[int] = array("h")
    with av.open(io.BytesIO(data)) as container:
        for heard in container.decode(audio=0):
            for piece in resampler.resample(heard):
                samples.extend(array("h", bytes(piece.planes[0])[: piece.samples * 2]))
    return samples


def loudness(samples: array[int], hertz: int, *, at_s: float, for_s: float = 0.5) -> float:
    """How much of a tone there is (Goertzel's sum, 0 to about 1)."""
    part = samples[round(at_s * 48_000) : round((at_s + for_s) * 48_000)]
    turn = math.tau * hertz / 48_000
    real = sum(sample * math.cos(turn * place) for place, sample in enumerate(part))
    imaginary = sum(sample * math.sin(turn * place) for place, sample in enumerate(part))
    return 2 * math.hypot(real, imaginary) / max(1, len(part)) / 8000


def slices_counted(packet: bytes) -> list[bytes]:
    """The slices (NAL types 1 and 5) of a picture in MP4, which writes each one's length before it."""
    found, at = [], 0
    while at < len(packet):
        size = int.from_bytes(packet[at : at + 4], "big")
        found.append(packet[at + 4 : at + 4 + size])
        at += 4 + size
    return [nal for nal in found if nal[0] & 31 in {1, 5}]


def slices_marked(unit: bytes) -> list[bytes]:
    """The slices of a picture in Annex B, which marks where each begins."""
    found = [nal.rstrip(b"\0") for nal in unit.split(b"\0\0\1") if nal.strip(b"\0")]
    return [nal for nal in found if nal[0] & 31 in {1, 5}]


def test_h264_passes_through_unchanged() -> None:
    units = film(3)
    data = clip(items_of(units))
    with av.open(io.BytesIO(data)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    assert len(packets) == 30
    assert [slices_counted(packet) for packet in packets] == [slices_marked(unit) for unit, _ in units]
    shots = pictures(data)
    assert [round(second, 2) for second, _, _ in shots] == [round(number / 10, 2) for number in range(30)]


def test_it_begins_with_the_key_frame_before_and_ends_where_it_is_told_to() -> None:
    shots = pictures(clip(items_of(film(6)), from_s=2.5, until_s=4))
    assert len(shots) == 20  # from second 2 to second 4
    assert shots[0][0] == 0


def test_voices_are_laid_over_each_other_at_their_time() -> None:
    items = items_of(film(4))
    items += voice_of(tone(2, 440), start_us=START_US + 1_000_000)
    items += voice_of(tone(1, 1000), source=KIT, start_us=START_US + 2_000_000)
    heard = sound(clip(items))
    assert loudness(heard, 440, at_s=0.2) < 0.02
    assert loudness(heard, 440, at_s=1.3) > 0.5
    assert loudness(heard, 1000, at_s=1.3) < 0.05
    assert loudness(heard, 440, at_s=2.3) > 0.5
    assert loudness(heard, 1000, at_s=2.3) > 0.5
    assert loudness(heard, 440, at_s=3.3) < 0.02


def test_voices_alone() -> None:
    heard = sound(clip(voice_of(tone(1, 440)), source=""))
    assert loudness(heard, 440, at_s=0.3) > 0.5


@pytest.mark.parametrize(("coder", "codec"), [("libvpx", "vp8"), ("libvpx-vp9", "vp09.00.10.08")])
def test_a_browser_s_codec_is_encoded_anew(coder: str, codec: str) -> None:
    items = [Item(ItemKind.FRAME, START_US, PERSON, described(codec)), *items_of(film(2, codec=coder), source=PERSON)]
    data = clip(items, PERSON)
    with av.open(io.BytesIO(data)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
    assert len(pictures(data)) == 20


def test_a_picture_that_changes_its_size_is_encoded_anew() -> None:
    later = START_US + 2_000_000
    items = items_of(film(2)) + items_of(film(2, size=(160, 120)), start_us=later)
    shots = pictures(clip(items))
    assert len(shots) == 40
    assert {width for _, width, _ in shots} == {320}


def test_what_is_no_picture_or_sound_spoils_nothing() -> None:
    items = items_of(film(1)) + voice_of([b"no opus at all"])
    items.append(Item(ItemKind.FRAME, START_US + 500_000, KIT, b"no frame"))
    items.append(Item(ItemKind.ENTRY, START_US + 500_000, "ordered", b"{}"))
    assert len(pictures(clip(items))) == 10


def test_a_clock_that_is_set_meanwhile_bends_nothing() -> None:
    first, later = items_of(film(1)), items_of(film(1), start_us=START_US + 1_000_000)
    jumped = [
        Item(item.kind, item.at_us, item.name, item.body[:8] + (10**15).to_bytes(8, "big") + item.body[16:])
        for item in later
    ]
    seconds = [second for second, _, _ in pictures(clip(first + jumped))]
    assert len(seconds) == 20
    assert 0.8 < seconds[-1] < 2.1


def test_nothing_to_see_is_said() -> None:
    with pytest.raises(NoPictureError):
        clip(items_of(film(1)), source="dl-2901-99")
    with pytest.raises(NoPictureError):
        clip(items_of(film(1)), source="")
    with pytest.raises(NoPictureError):
        clip([])


def test_parameter_sets_are_found_with_either_start_code() -> None:
    unit = b"\0\0\0\1\x67abc\0\0\1\x68de\0\0\1\x65picture"
    assert parameter_sets(unit) == b"\0\0\0\1\x67abc\0\0\0\1\x68de"
    assert parameter_sets(b"\0\0\1\x41x") == b""
