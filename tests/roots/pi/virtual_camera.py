"""What stands in for a Pi's camera hardware around the unmodified picamera2; runs only inside the trixie root.

- `TwoPlaneAllocator`: libcamera's virtual pipeline wants NV12 buffers of two planes, a Pi's takes one.
- `PacedCamera`: the virtual pipeline completes a request at once whatever frame rate was asked for; this hands
  requests on at the sensor's pace, and can stop doing so, as a sensor does whose front end timed out.
- `VirtualPicamera2`: picamera2 asks for raw modes, which the virtual pipeline does not have.
- `PacketlessEncoder`: the Pi's V4L2 encoder gives bytes without a packet; here libx264 does the coding.
"""

import json
import mmap
import os
import queue
import threading
import time
from pathlib import Path
from typing import Any

import libcamera
from picamera2 import Picamera2
from picamera2.allocators import DmaAllocator
from picamera2.encoders import LibavH264Encoder


class TwoPlaneAllocator(DmaAllocator):
    """DmaAllocator whose NV12 buffers name luma and chroma as two planes of one memory."""

    def allocate(self, libcamera_config: Any, _use_case: Any) -> None:
        self.libcamera_fds = []
        self.cleanup()
        for descriptor in self.open_fds:
            os.close(descriptor)
        self.frame_buffers, self.open_fds = {}, []
        for wanted in libcamera_config:
            self.frame_buffers[wanted.stream] = [self._allocate_one(wanted) for _ in range(wanted.buffer_count)]

    def _allocate_one(self, wanted: Any) -> Any:
        descriptor = self.dmaHeap.alloc("virtual", wanted.frame_size).get()
        luma = wanted.stride * wanted.size.height
        planes = [libcamera.FrameBuffer.Plane(), libcamera.FrameBuffer.Plane()]
        for plane, offset, length in zip(planes, (0, luma), (luma, wanted.frame_size - luma), strict=True):
            plane.fd, plane.offset, plane.length = descriptor, offset, length
        buffer = libcamera.FrameBuffer(planes)
        key = buffer.planes[0].fd
        self.open_fds.append(descriptor)
        self.libcamera_fds.append(key)
        self.mapped_buffers_used[key] = False
        access = mmap.PROT_READ | mmap.PROT_WRITE
        self.mapped_buffers[buffer] = mmap.mmap(descriptor, wanted.frame_size, mmap.MAP_SHARED, access)
        return buffer


class PacedCamera:
    """libcamera's Camera with a sensor's pace; gives `frames` pictures, then none, and goes on saying it runs."""

    def __init__(self, real: Any, fps: float, frames: int | None) -> None:
        self._real, self._interval_s, self._left = real, 1 / fps, frames
        self._waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def start(self, *arguments: Any) -> Any:
        answer = self._real.start(*arguments)
        self._stopping.clear()
        self._thread = threading.Thread(target=self._hand_on, daemon=True)
        self._thread.start()
        return answer

    def stop(self, *arguments: Any) -> Any:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        answer = self._real.stop(*arguments)
        while not self._waiting.empty():
            self._waiting.get_nowait()
        return answer

    def queue_request(self, request: Any) -> None:
        self._waiting.put(request)

    def _hand_on(self) -> None:
        due_s = time.monotonic()
        while not self._stopping.is_set() and self._left != 0:
            due_s += self._interval_s
            if self._stopping.wait(max(0.0, due_s - time.monotonic())):
                return
            try:
                request = self._waiting.get_nowait()
            except queue.Empty:
                continue  # every buffer is still with the encoder: a real sensor drops the picture too
            self._real.queue_request(request)
            self._left = self._left if self._left is None else self._left - 1


class VirtualPicamera2(Picamera2):
    """The library's own class on the virtual camera. `fps` and `pictures` are the sensor's; None gives for ever."""

    fps = 25.0
    pictures: int | None = None

    def __init__(self, camera_num: int = 0) -> None:
        super().__init__(camera_num, allocator=TwoPlaneAllocator())
        self.camera = PacedCamera(self.camera, self.fps, self.pictures)

    def _get_raw_modes(self) -> list[dict[str, Any]]:
        return [{"format": "NV12", "size": (1920, 1080)}]


class CountingEncoder(LibavH264Encoder):
    """The library's encoder, noting on paper how many pictures it was given and how many it gave."""

    ledger = Path("/srv/encoder.json")

    def _start(self) -> None:
        super()._start()
        self._given = 0

    def outputframe(self, frame: Any, keyframe: bool = True, *rest: Any, **named: Any) -> None:
        super().outputframe(frame, keyframe, *rest, **named)
        if frame is not None:
            self._given += 1
            self.ledger.write_text(json.dumps({"encoder": type(self).__name__, "given": self._given}))


class PacketlessEncoder(CountingEncoder):
    """As the Pi's V4L2 encoder: bytes, key flag, time stamp, and no packet beside them; each picture at once."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.threads = 1  # with more, libx264 keeps a picture per thread back until it is stopped

    def outputframe(
        self,
        frame: Any,
        keyframe: bool = True,
        timestamp: int | None = None,
        packet: Any = None,
        audio: bool = False,
    ) -> None:
        super().outputframe(frame, keyframe, timestamp, packet if audio else None, audio)
