"""The Raspberry Pi's camera through picamera2: hardware H.264 where there is some, libx264 on a Pi 5.

picamera2 exists only on a Pi, so it is imported when the camera is opened; class, allocator and encoder can be
given instead, which is how the real library runs in tests elsewhere.
"""

from __future__ import annotations

import importlib
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from av.audio.stream import AudioStream

from edge.recorder import h264
from edge.recorder.sources import (
    AudioFormat,
    AudioPacket,
    EncodedFrame,
    SourceFailedError,
    SourceOpenError,
    SourceStalledError,
)
from edge.recorder.sources.encoding import describe_aac
from edge.recorder.sources.watermark import Lines, Stamp

log = logging.getLogger("zhixing.recorder")

_QUEUE_ITEMS: Final = 250
_SOUND_WAIT_S: Final = 2.0


class FrameReceiver:
    """What an encoder hands its frames to; keeps them until the recorder's thread takes them.

    Two shapes arrive: the Pi's V4L2 encoder gives bytes without a packet, libav encoders give both. Sound comes
    with a packet and without bytes, its timestamp already in µs.
    """

    def __init__(self) -> None:
        self.items: queue.Queue[EncodedFrame | AudioPacket] = queue.Queue(_QUEUE_ITEMS)
        self.missed = 0
        self.audio: AudioFormat | None = None
        self.sound_known = threading.Event()
        self._parameter_sets = b""

    def add_stream(self, encoder_stream: Any) -> None:
        """Learn of a sound track that the encoder announces.

        It does so before its codec is open, so rate and layout are all there is to learn.
        """
        if isinstance(encoder_stream, AudioStream) and encoder_stream.codec_context.name == "aac":
            context = encoder_stream.codec_context
            self.audio = describe_aac(context.sample_rate, context.layout.name)
            self.sound_known.set()

    def take_frame(self, frame: Any, keyframe: bool, timestamp: int | None, packet: Any, *, audio: bool) -> None:
        """One call of the encoder. Never blocks it: with nobody reading, the newest frame is left out."""
        if audio:
            if packet is None or timestamp is None or self.audio is None:
                return
            duration_us = round((packet.duration or 1024) * 1_000_000 / self.audio.sample_rate)
            self._keep(AudioPacket(bytes(packet), timestamp, duration_us))
            return
        if frame is None or timestamp is None:
            return
        data = bytes(frame)
        if h264.has_nal(data, h264.SPS):
            start = b"\x00\x00\x00\x01"
            sets = [nal for nal in h264.split_nals(data) if nal[0] & 0x1F in (h264.SPS, h264.PPS)]
            self._parameter_sets = b"".join(start + nal for nal in sets)
        elif keyframe:
            data = h264.with_parameter_sets(data, self._parameter_sets)
        self._keep(EncodedFrame(data, bool(keyframe) and h264.has_nal(data, h264.IDR), timestamp))

    def _keep(self, item: EncodedFrame | AudioPacket) -> None:
        try:
            self.items.put_nowait(item)
        except queue.Full:
            self.missed += 1


def build_output(base: type, receiver: FrameReceiver) -> Any:
    """An ``Output`` of picamera2 (``base``: encoders accept only its subclasses) that feeds ``receiver``."""

    class ReceiverOutput(base):  # type: ignore[misc]
        needs_pacing = False

        def outputframe(
            self,
            frame: Any,
            keyframe: bool = True,
            timestamp: int | None = None,
            packet: Any = None,
            audio: bool = False,
        ) -> None:
            if self.recording:
                receiver.take_frame(frame, keyframe, timestamp, packet, audio=audio)

        def _add_stream(self, encoder_stream: Any, *_codec: Any, **_options: Any) -> None:
            receiver.add_stream(encoder_stream)

    return ReceiverOutput()


class Picamera2Camera:
    """``hardware``: True for the V4L2 encoder (Pi 4 and before), False for libx264, None to ask the platform."""

    def __init__(
        self,
        *,
        width: int = 1280,
        height: int = 720,
        fps: float = 25,
        bitrate_bps: int = 2_000_000,
        sound: bool = False,
        stall_s: float = 2.0,
        microphone: str = "alsa:default",
        hardware: bool | None = None,
        watermark: Lines | None = None,
        camera_class: Callable[..., Any] | None = None,
        allocator: Any = None,
        encoder: Any = None,
        output_base: type | None = None,
        camera_number: int = 0,
    ) -> None:
        self.name = f"picamera2 {width}x{height}@{fps:g}"
        self.fps = float(fps)
        self._size, self._bitrate_bps = (width, height), bitrate_bps
        self._sound, self._stall_s, self._hardware = sound, stall_s, hardware
        self._microphone = microphone
        self._stamp = None if watermark is None else Stamp(watermark, width, height)
        self._mapped_array: Any = None
        self.watermarked = watermark is not None
        self._camera_class, self._allocator = camera_class, allocator
        self._encoder, self._output_base = encoder, output_base
        self._camera_number = camera_number
        self._receiver = FrameReceiver()
        self._camera: Any = None
        self._started = False
        self._stopped = threading.Event()

    @property
    def audio(self) -> AudioFormat | None:
        """Format of the sound that the encoder announced."""
        return self._receiver.audio

    @property
    def missed(self) -> int:
        """Frames left out because nobody took them in time."""
        return self._receiver.missed

    def open(self) -> None:
        """Configure the camera and start its encoder."""
        try:
            self._start()
        except ImportError as error:
            raise SourceOpenError(
                f"picamera2 is not installed ({error}): install python3-picamera2 from Raspberry Pi OS."
            ) from error
        except Exception as error:  # picamera2 raises RuntimeError, IndexError and libcamera's own kinds
            self._let_go()
            raise SourceOpenError(
                f"The Pi's camera cannot be opened ({error}): check its ribbon cable, that nothing else uses it"
                f"{self._other_suspects()}."
            ) from error

    def items(self) -> Iterator[EncodedFrame | AudioPacket]:
        """Frames until closed; raise SourceStalledError when the encoder falls silent."""
        try:
            while not self._stopped.is_set():
                try:
                    yield self._receiver.items.get(timeout=self._stall_s)
                except queue.Empty:
                    if self._stopped.is_set():
                        return
                    raise SourceStalledError(
                        f"The Pi's camera gave nothing for {self._stall_s:g} s although it says that it runs: the "
                        "recorder starts anew."
                    ) from None
        finally:
            self._let_go()

    def close(self) -> None:
        """Stop giving frames; the reading thread lets go of the camera."""
        self._stopped.set()

    def _other_suspects(self) -> str:
        hardware = ", that this board has the encoder of camera.hardware = 'yes'" if self._hardware else ""
        return f"{hardware}, and the microphone {self._microphone}" if self._sound else hardware

    def _start(self) -> None:
        camera_class = self._camera_class or importlib.import_module("picamera2").Picamera2
        base = self._output_base or importlib.import_module("picamera2.outputs").Output
        encoder = self._encoder or self._build_encoder()
        extra = {} if self._allocator is None else {"allocator": self._allocator}
        self._camera = camera_class(self._camera_number, **extra)
        configuration = self._camera.create_video_configuration(
            main={"size": self._size, "format": "YUV420"}, controls={"FrameRate": self.fps}
        )
        self._camera.configure(configuration)
        if self._stamp is not None:
            self._mapped_array = importlib.import_module("picamera2").MappedArray
            self._camera.pre_callback = self._burn
        if self._sound:
            # The library's own default, PulseAudio, is in no wheel of PyAV and runs for no system service.
            kind, _, device = self._microphone.partition(":")
            encoder.audio_input = {"file": device, "format": kind}
            encoder.audio = True
        self._camera.start_recording(encoder, build_output(base, self._receiver))
        self._started = True
        if self._sound and not self._receiver.sound_known.wait(_SOUND_WAIT_S):
            raise SourceFailedError("The encoder announced no AAC sound: set camera.audio = false.")

    def _burn(self, request: Any) -> None:
        """``pre_callback``: the watermark into the main picture before any encoder sees it.

        YUV420 and NV12 both begin with the luma plane, so the rest of the layout does not matter.
        """
        if self._stamp is None:
            return
        try:
            with self._mapped_array(request, "main", reshape=False) as picture:
                self._stamp.press(memoryview(picture.array), request.config["main"]["stride"])
        except Exception:  # raised here it would end the library's own thread, and with it all pictures
            log.exception("the watermark failed: the recorder goes on without it")
            self._stamp, self.watermarked = None, False

    def _build_encoder(self) -> Any:
        encoders = importlib.import_module("picamera2.encoders")
        period = round(self.fps)
        if self._hardware if self._hardware is not None else has_hardware_encoder():
            return encoders.H264Encoder(bitrate=self._bitrate_bps, repeat=True, iperiod=period)
        encoder = encoders.LibavH264Encoder(bitrate=self._bitrate_bps, iperiod=period, framerate=period)
        encoder.threads = 1
        return encoder

    def _let_go(self) -> None:
        camera, self._camera = self._camera, None
        if camera is None:
            return
        try:
            if self._started:
                camera.stop_recording()
        finally:
            camera.close()


def has_hardware_encoder(video_devices: Path = Path("/sys/class/video4linux")) -> bool:
    """Whether this board codes H.264 itself: Pi 4 and before do, Pi 5 and its modules do not.

    The kernel is asked: picamera2 believes in a Pi 4 wherever it finds no device at all.
    """
    names = (path.read_text(errors="replace").strip() for path in video_devices.glob("*/name"))
    return "bcm2835-codec-encode" in names
