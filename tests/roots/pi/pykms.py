"""Stands in for pykms, which needs a DRM display: picamera2 imports it for its preview, which a kit never opens."""


class PixelFormat:
    """Names only: picamera2 makes a table of them when it is imported."""

    RGB888 = BGR888 = XRGB8888 = XBGR8888 = ARGB8888 = ABGR8888 = "rgb"
    YUV420 = YVU420 = YUYV = YVYU = UYVY = VYUY = NV12 = NV21 = MJPEG = "yuv"


class Card:
    """There is no display to open."""

    def __init__(self, *_: object) -> None:
        raise RuntimeError("there is no DRM display here")
