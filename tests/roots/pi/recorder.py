"""The kit's own recorder process on the virtual camera: `python -m tests.roots.pi.recorder FRAMES --config ...`.

Puts the stand-ins of `virtual_camera` where a Pi's hardware would be, then runs `edge.recorder.main` as it is: the
settings choose camera and encoder by the product's own code. FRAMES is how many pictures the camera gives before it
falls silent; 0 for no end.
"""

import sys

import picamera2
import picamera2.encoders

from edge.recorder import main
from tests.roots.pi import virtual_camera

if __name__ == "__main__":
    virtual_camera.VirtualPicamera2.pictures = int(sys.argv[1]) or None
    picamera2.Picamera2 = virtual_camera.VirtualPicamera2
    picamera2.encoders.LibavH264Encoder = virtual_camera.CountingEncoder
    picamera2.encoders.H264Encoder = virtual_camera.PacketlessEncoder
    sys.exit(main.main(sys.argv[2:]))
