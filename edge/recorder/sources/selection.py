"""Which camera source the settings ask for."""

from __future__ import annotations

from edge.options import CameraSettings
from edge.recorder.sources import CameraSource
from edge.recorder.sources.watermark import Lines

_HARDWARE = {"auto": None, "yes": True, "no": False}


def build_source(camera: CameraSettings, kit_id: str, watermark: Lines | None = None) -> CameraSource:
    """The source of ``[camera]``, not opened yet. Each is imported only where it is used: memory is short.

    ``watermark`` gives the lines for ``camera.watermark``.
    """
    lines = watermark if camera.watermark else None
    if camera.kind == "pyav":
        from edge.recorder.sources.pyav import PyavCamera

        return PyavCamera(
            camera.address,
            input_format=camera.format,
            width=camera.width,
            height=camera.height,
            fps=camera.fps,
            bitrate_bps=camera.bitrate_bps,
            preset=camera.preset,
            loop=camera.loop,
            realtime=camera.realtime,
            sound=camera.audio,
            stall_s=camera.stall_s,
            watermark=lines,
            reencode=camera.reencode,
        )
    if camera.kind == "picamera2":
        from edge.recorder.sources.picamera2 import Picamera2Camera

        return Picamera2Camera(
            width=camera.width,
            height=camera.height,
            fps=camera.fps,
            bitrate_bps=camera.bitrate_bps,
            sound=camera.audio,
            microphone=camera.microphone,
            stall_s=camera.stall_s,
            hardware=_HARDWARE[camera.hardware],
            watermark=lines,
        )
    from edge.recorder.sources.synthetic import SyntheticCamera

    return SyntheticCamera(
        kit_id,
        width=camera.width,
        height=camera.height,
        fps=camera.fps,
        bitrate_bps=camera.bitrate_bps,
        preset=camera.preset,
        sound=camera.audio,
        watermark=lines,
    )
