"""The tables of a kit's ``kit.toml``: every option, its range and its default. `edge.settings` reads them."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Port = Annotated[int, Meta(ge=1, le=65535)]
Pin = Annotated[int, Meta(ge=0, le=27)]

KIT_ID = r"^[a-z0-9](?:[a-z0-9-]{1,30})[a-z0-9]$"
HTTPS = r"^https://[^/\s]+/?$"
EST = r"^(https://[^\s]+)?$"
MICROPHONE = r"^[a-z0-9_]+:\S.*$"
OFFICER_NO = r"^[A-Za-z0-9.-]{0,16}$"
WORDS = {
    MICROPHONE: "a format and a device like alsa:default or alsa:hw:1",
    OFFICER_NO: "at most 16 letters, digits, dots or hyphens (the picture's own font has no others)",
    EST: "empty or an address like https://authority.example:8443",
    KIT_ID: "3 to 32 lower-case letters, digits or hyphens, no hyphen at the ends",
    HTTPS: "an address like https://centre.example:8443",
}


class KitSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[kit]``: who the kit is and where it keeps its data."""

    id: Annotated[str, Meta(pattern=KIT_ID)]
    court: Annotated[str, Meta(max_length=16)] = ""  # told by `zhixing-kit status`; the registry decides
    data_dir: str = ""  # empty: the folder of kit.toml
    officer_no: Annotated[str, Meta(pattern=OFFICER_NO)] = ""  # burnt into the picture; never sent
    on_duty_at_start: bool = False
    heartbeat_s: Annotated[float, Meta(ge=1, le=60)] = 5.0  # a child silent for 4 of these is restarted
    reserve: bool = True  # a second recorder waits, loaded, to take over at once; costs some 50 MB of memory
    health_interval_s: Annotated[float, Meta(ge=1, le=600)] = 10.0


class MqttSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[mqtt]``: the broker of the centre."""

    host: Annotated[str, Meta(min_length=1, max_length=253)]
    port: Port = 8883
    keepalive_s: Annotated[int, Meta(ge=5, le=600)] = 20
    sealed: bool = False  # sealed from here to the centre (contract.channel): the broker stands in a zone between


class DoorSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[door]``: the centre's HTTP door for devices."""

    url: Annotated[str, Meta(pattern=HTTPS)]
    timeout_s: Annotated[float, Meta(ge=1, le=300)] = 20.0


class AuthoritySettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[authority]``: where the certificate is renewed by itself; empty: by hand, `zhixing-kit enrol --renew`."""

    url: Annotated[str, Meta(pattern=EST)] = ""


class KeySettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[keys]``: the evidence-signing key in a PKCS#11 token; without a module it is the file device.key."""

    pkcs11_module: Annotated[str, Meta(max_length=1024)] = ""  # the token's library, such as libsofthsm2.so
    token_label: Annotated[str, Meta(max_length=32)] = ""
    key_label: Annotated[str, Meta(min_length=1, max_length=64)] = "zhixing-signing"
    pin_file: Annotated[str, Meta(max_length=1024)] = ""  # its first line is the PIN; mode 0600


class CameraSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[camera]``: where pictures come from and how they are coded."""

    kind: Literal["synthetic", "pyav", "picamera2"] = "synthetic"
    address: Annotated[str, Meta(max_length=1024)] = ""  # file, /dev/videoN or rtsp:// for pyav
    format: Annotated[str, Meta(max_length=32)] = ""  # of PyAV; empty: v4l2 for /dev/video*, else found out
    width: Annotated[int, Meta(ge=64, le=3840, multiple_of=2)] = 1280
    height: Annotated[int, Meta(ge=64, le=2160, multiple_of=2)] = 720
    fps: Annotated[int, Meta(ge=1, le=60)] = 25
    bitrate_bps: Annotated[int, Meta(ge=50_000, le=20_000_000)] = 2_000_000
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast"] = "veryfast"
    loop: bool = False  # a file starts anew at its end
    realtime: bool = True  # a file is read at its own pace, not as fast as possible
    audio: bool = True
    microphone: Annotated[str, Meta(pattern=MICROPHONE)] = "alsa:default"  # of picamera2: PyAV's format and device
    hardware: Literal["auto", "yes", "no"] = "auto"  # of picamera2: V4L2's encoder or libx264; auto asks the board
    watermark: bool = True  # kit, officer, time and position in every picture that is encoded here
    reencode: bool = False  # pyav: encode anew what comes as H.264, so that it too bears the watermark
    stall_s: Annotated[float, Meta(ge=0.5, le=60)] = 1.5  # no frame for this long: the recorder restarts


class LinkSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[link]``: whether bytes cost. Metered: originals wait, but those of an alarm and those asked for go."""

    metered: Literal["auto", "yes", "no"] = "auto"  # auto: free, until the officer or the centre says otherwise
    thin_below_kbps: Annotated[int, Meta(ge=8, le=100_000)] = 256  # measured; then small pictures go first


class SegmentSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[segments]``: how a recording is cut and how much of the past an alarm saves."""

    seconds: Annotated[float, Meta(ge=0.5, le=30)] = 2.0
    pre_event_s: Annotated[float, Meta(ge=0, le=60)] = 30.0
    pre_event_sound: bool = False  # what was said before the press is not kept, unless this says so
    post_event_s: Annotated[float, Meta(ge=0, le=600)] = 30.0  # after a stop that nobody in the field decided
    sos_hold_s: Annotated[float, Meta(ge=0, le=14_400)] = 1800.0  # an unanswered SOS outlasts a stop at the kit
    alarm_window_s: Annotated[float, Meta(ge=10, le=3600)] = 120.0  # sent first, newest first
    record_at_start: bool = False
    proxy: bool = True  # small pictures of each segment for a metered or thin link


class StorageSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[storage]``: what the vault may use. A full vault stops recording with a signed gap, never deletes.

    ``low_minutes`` and ``critical_minutes`` of recording left: officer and centre are warned.
    """

    vault_max_bytes: Annotated[int, Meta(ge=10_000_000, le=8_000_000_000_000)] = 32_000_000_000
    reserve_bytes: Annotated[int, Meta(ge=1_000_000, le=1_000_000_000_000)] = 200_000_000
    keep_receipted_s: Annotated[int, Meta(ge=0, le=2_592_000)] = 0
    low_minutes: Annotated[int, Meta(ge=1, le=10_000)] = 60
    critical_minutes: Annotated[int, Meta(ge=1, le=10_000)] = 10
    max_positions: Annotated[int, Meta(ge=1_000, le=10_000_000)] = 700_000  # eight days at one a second


class PositionSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[position]``: gpsd, or a recorded NMEA or GPX track replayed from now on."""

    source: Literal["gpsd", "track", "none"] = "gpsd"
    host: Annotated[str, Meta(min_length=1, max_length=253)] = "127.0.0.1"
    port: Port = 2947
    track: Annotated[str, Meta(max_length=1024)] = ""
    speed: Annotated[float, Meta(ge=0.1, le=100)] = 1.0
    loop: bool = True
    start_at_s: Annotated[float, Meta(ge=0, le=86_400)] = 0.0
    interval_s: Annotated[float, Meta(ge=0.2, le=600)] = 1.0
    stale_s: Annotated[float, Meta(ge=2, le=600)] = 10.0


class ClockSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[clock]``: when two of the kit's clocks count as disagreeing, beyond what each may err."""

    disagree_s: Annotated[float, Meta(ge=1, le=3600)] = 5.0


class HealthSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[health]``: from where on the officer and the centre are warned; each ends a little further back."""

    battery_low_pct: Annotated[int, Meta(ge=1, le=99)] = 20
    battery_critical_pct: Annotated[int, Meta(ge=1, le=99)] = 10
    hot_c: Annotated[int, Meta(ge=20, le=120)] = 70
    too_hot_c: Annotated[int, Meta(ge=20, le=120)] = 80
    memory_pct: Annotated[int, Meta(ge=10, le=100)] = 90
    wear_pct: Annotated[int, Meta(ge=10, le=100)] = 80
    queue_minutes: Annotated[int, Meta(ge=1, le=10_000)] = 60  # the oldest message without a receipt
    clock_error_s: Annotated[int, Meta(ge=1, le=86_400)] = 10
    certificate_days: Annotated[int, Meta(ge=1, le=365)] = 30


class PanelSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[panel]``: buttons and lights on GPIO pins, or their stand-ins."""

    kind: Literal["none", "gpio"] = "none"
    sos_pin: Pin = 17
    record_pin: Pin = 27
    mark_pin: Pin = 22
    talk_pin: Pin | None = None  # a key to talk by; without one the mark button held talks during a session
    record_switch: Literal["press", "slide"] = "press"
    green_pin: Pin = 5
    red_pin: Pin = 6
    buzzer_pin: Pin = 13
    vibration_pin: Pin = 19
    debounce_s: Annotated[float, Meta(ge=0.005, le=0.5)] = 0.03
    sos_hold_s: Annotated[float, Meta(ge=0.2, le=5)] = 1.0
    withdraw_s: Annotated[float, Meta(ge=0, le=60)] = 10.0
    quiet: bool = False
    keyboard: bool = False  # single keys on the terminal that `zhixing-kit run` was started from


class ScreenSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[screen]``: the officer's own page, on the loopback address alone."""

    on: bool = True
    port: Annotated[int, Meta(ge=0, le=65535)] = 0  # 0: a free one, kept over restarts; see the state "screen_http"


class LiveSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``[live]``: live picture and voice, in sessions that the centre opens (contract.live)."""

    on: bool = True
    url: Annotated[str, Meta(pattern=EST)] = ""  # empty: the address in the order
    start_kbps: Annotated[int, Meta(ge=64, le=20_000)] = 1200  # of the picture, before the link is known
    low_kbps: Annotated[int, Meta(ge=32, le=2_000)] = 250  # of the small picture for walls
    metered_kbps: Annotated[int, Meta(ge=32, le=20_000)] = 400  # at most this on a link that costs
    speaker: Annotated[str, Meta(max_length=128)] = "alsa:default"  # PyAV's format and device; "none": no voice heard
    ptt: Literal["hold", "toggle"] = "hold"  # the talk button of the officer's page
