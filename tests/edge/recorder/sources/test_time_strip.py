"""The moment of capture can be read out of a synthetic picture, also after coding and scaling."""

import av
import pytest

from edge.recorder.sources import EncodedFrame
from edge.recorder.sources.synthetic import SyntheticCamera
from edge.recorder.sources.time_strip import FIELDS, PERIOD_MS, draw_row, find_rows, read_row


@pytest.mark.parametrize("width", [320, 640, 1000])
@pytest.mark.parametrize("now_ms", [0, 1, 1_795_000_000_123, PERIOD_MS - 1])
def test_a_row_tells_its_moment(width: int, now_ms: int) -> None:
    assert read_row(draw_row(now_ms, width)) == now_ms % PERIOD_MS


def test_a_worn_strip_is_not_read() -> None:
    row = bytearray(draw_row(123_456, 320))
    for field in range(FIELDS):
        worn = bytearray(row)
        at = slice(field * 10, field * 10 + 10)
        worn[at] = bytes(255 - value for value in row[at])
        assert read_row(worn) is None, field


def test_it_survives_coding_and_scaling() -> None:
    moments = iter([1_795_000_000.0 + frame / 15 for frame in range(15)])
    camera = SyntheticCamera("dl-2901-01", paced=False, now_s=lambda: next(moments))
    decoder, read = av.CodecContext.create("h264", "r"), []
    for item in camera.items():
        assert isinstance(item, EncodedFrame)
        for picture in decoder.decode(av.Packet(item.data)):
            small = picture.reformat(width=320, height=180, format="gray")
            first, end = find_rows(180)
            plane, row = small.planes[0], (first + end) // 2
            line = memoryview(plane)[row * plane.line_size : row * plane.line_size + 320]
            read.append(read_row(line))
        if len(read) == 10:
            camera.close()
            break
    assert read == [int((1_795_000_000.0 + frame / 15) * 1000) % PERIOD_MS for frame in range(10)]
