"""Doubles with the faces of picamera2's Output, encoder and camera, for machines without a Pi's libraries.

Faithful in what the recorder meets: an encoder refuses any output that is no subclass of Output, calls
`_add_stream` for its sound, and hands frames over in its own thread in one of two shapes.
"""

import threading
from fractions import Fraction
from typing import ClassVar

import av

from edge.recorder import h264
from tests.fakes.camera import real_frames


class Output:
    def __init__(self, pts=None):
        self.recording = False

    def start(self):
        self.recording = True

    def stop(self):
        self.recording = False

    def outputframe(self, frame, keyframe=True, timestamp=None, packet=None, audio=False):
        raise NotImplementedError

    def _add_stream(self, encoder_stream, codec_name, **kwargs):
        raise NotImplementedError


class Encoder:
    """`with_packets`: as LibavH264Encoder (bytes and packet); otherwise as the V4L2 encoder (bytes alone)."""

    audio = False

    def __init__(self, *, with_packets, frames=61, repeat=True, silent_after=None):
        self._with_packets, self._frames, self._repeat = with_packets, frames, repeat
        self._silent_after = silent_after
        self._stopping = threading.Event()
        self._samples = 0

    def start(self, output):
        if not isinstance(output, Output):
            raise RuntimeError("Must pass Output")
        output.start()
        if self.audio:
            self._sound_container = av.open("/dev/null", "w", format="null")
            self._sound_stream = self._sound_container.add_stream("aac")
            output._add_stream(self._sound_stream, codec_name="aac")
        self._output = output
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self):
        self._stopping.set()
        self._thread.join(5)
        self._output.stop()

    def _run(self):
        for number, frame in enumerate(real_frames(self._frames)):
            if self._silent_after is not None and number >= self._silent_after:
                self._stopping.wait(10)
                return
            data = frame.data if self._repeat or number == 0 else without_parameter_sets(frame.data)
            packet = av.Packet(data) if self._with_packets else None
            self._output.outputframe(memoryview(data), frame.key, frame.pts_us, packet)
            if self.audio:
                self._give_sound()

    def _give_sound(self):
        frame = av.AudioFrame(format="s16", layout="stereo", samples=1024)
        frame.sample_rate, frame.time_base, frame.pts = 48_000, Fraction(1, 48_000), self._samples
        self._samples += 1024
        for packet in self._sound_stream.encode(frame):
            at_us = int(packet.pts * 1_000_000 * packet.time_base)
            if at_us >= 0:
                self._output.outputframe(None, True, at_us, packet, True)


class Camera:
    """Picamera2's calls that the recorder makes; `made` keeps every instance."""

    made: ClassVar[list["Camera"]] = []

    def __init__(self, camera_num=0, allocator=None):
        self.allocator, self.closed, self.configuration = allocator, False, None
        Camera.made.append(self)

    def create_video_configuration(self, main, controls):
        return {"main": main, "controls": controls}

    def configure(self, configuration):
        self.configuration = configuration

    def start_recording(self, encoder, output):
        self._encoder = encoder
        encoder.start(output)

    def stop_recording(self):
        self._encoder.stop()

    def close(self):
        self.closed = True


class MissingCamera(Camera):
    def __init__(self, camera_num=0, allocator=None):
        raise IndexError("list index out of range")


def without_parameter_sets(data):
    start = b"\x00\x00\x00\x01"
    return b"".join(start + nal for nal in h264.split_nals(data) if nal[0] & 31 not in (h264.SPS, h264.PPS))
