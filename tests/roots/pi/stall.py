"""The source alone on the virtual camera until it falls silent; prints pictures and the error's name."""

import picamera2
import picamera2.encoders

from edge.recorder.sources import EncodedFrame, SourceError
from edge.recorder.sources.picamera2 import Picamera2Camera
from tests.roots.pi import virtual_camera

if __name__ == "__main__":
    virtual_camera.VirtualPicamera2.pictures = 30
    picamera2.Picamera2 = virtual_camera.VirtualPicamera2
    picamera2.encoders.LibavH264Encoder = virtual_camera.CountingEncoder
    source = Picamera2Camera(width=1920, height=1080, fps=30, bitrate_bps=4_000_000, stall_s=0.7)
    source.open()
    pictures = 0
    try:
        for item in source.items():
            pictures += isinstance(item, EncodedFrame)
    except SourceError as error:
        print(pictures, type(error).__name__)
