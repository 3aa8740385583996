"""seal_ms_per_500kb, kit_rss_mb, kit_cpu, kit_cpu_but_encoding, boot_to_recording_s: what a kit's processes cost."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NamedTuple

import av
import psutil
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bench.report import percentile, report
from bench.stand import cpu_seconds, find_process, open_stand
from contract import chain, envelope
from contract.chain_writer import ChainWriter
from demo.places import PARTS, Part
from demo.stand import Stand
from edge.spool import open_spool

_SEGMENT_BYTES: Final = 500_000
_ROUNDS: Final = 200
_WATCH_S: Final = 30.0
_RING_S: Final = 40.0  # the seconds before the press, 30 of them, and some more
_SETTLE_S: Final = 5.0  # loading is not what a kit at work costs
_FILM_S: Final = 180.0
_STRETCH_S: Final = 10.0
_LEFT_OUT_S: Final = 4.0
_SOUND_RATE: Final = 48_000
_BOOTS: Final = 5
_HOW_RSS: Final = "peak, first with the ring before the press full, then recording"
# What a process is called on its command line: the module of the kit's process table, and the one in reserve.
_MODULES: Final = {
    "control": "edge.uplink.main",
    "recorder": "edge.recorder.main",
    "panel": "edge.panel.main",
    "screen": "edge.screen.main",
    "live": "edge.live.main",
    "recorder in reserve": "edge.recorder.reserve",
}


class _Watched(NamedTuple):
    """Peaks of resident memory in MiB, and cores used, by process."""

    peaks: dict[str, float]
    cores: dict[str, float]


def measure() -> None:
    """Print the figures."""
    _measure_sealing()
    _measure_boots()
    _measure_at_work()
    _measure_without_encoding(has_proxy=True)
    _measure_without_encoding(has_proxy=False)


def _measure_sealing() -> None:
    key = generate_private_key(SECP256R1())
    recipients = [X25519PrivateKey.generate().public_key() for _ in range(2)]
    writer = ChainWriter(chain.begin(os.urandom(16)), lambda body: chain.sign(key, body))
    writer.open(kit_id="dl-2901-01", boot="0" * 32, started_ms=1, monotonic_ms=1)
    clear, salt, costs = os.urandom(_SEGMENT_BYTES), os.urandom(32), []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        sealed = envelope.seal(clear, recipients)
        writer.segment(
            cipher_hash=hashlib.sha256(sealed).digest(),
            clear_hash=chain.clear_hash(salt, clear),
            length=len(sealed),
            started_ms=1,
            duration_ms=2000,
            monotonic_ms=1,
        )
        costs.append((time.perf_counter() - began) * 1000)
    report(
        "seal_ms_per_500kb",
        percentile(costs, 0.5),
        "ms",
        p99_ms=round(percentile(costs, 0.99), 2),
        rounds=_ROUNDS,
        includes="two digests, age container to two recipients, chain record and its signature",
    )


def _measure_at_work() -> None:
    """1080p30 at 4 Mbit/s from the synthetic camera: first with the ring before the press full, then recording."""
    with open_stand() as stand:
        part = replace(PARTS[0], width=1920, height=1080, fps=30, bitrate_bps=4_000_000)
        kit = _start_kit(stand, part, segments={"record_at_start": False}, camera=_camera_of(part))
        waiting = _watch(kit, _RING_S)
        stand.press(part.kit_id, "record")
        stand.wait_until(lambda: _is_recording(stand, part), "the recording")
        recording = _watch(kit, _WATCH_S)
    for name in kit:
        peak = max(waiting.peaks[name], recording.peaks[name])
        report("kit_rss_mb", peak, "MiB", process=name, picture="1920x1080p30, 4 Mbit/s", how=_HOW_RSS)
        report(
            "kit_cpu", recording.cores[name] * 100, "% of a core", process=name, picture="1920x1080p30, encoded here"
        )


def _measure_without_encoding(*, has_proxy: bool) -> None:
    """The same picture as H.264 of its own: the kit does all but encode it."""
    with open_stand() as stand:
        part = replace(PARTS[0], width=1920, height=1080, fps=30, bitrate_bps=4_000_000)
        film = _make_film(stand.stage.folder / "film.mp4", part)
        rate = round(film.stat().st_size * 8 / _FILM_S / 1e6, 1)
        camera = {"kind": "pyav", "address": str(film), "loop": True, "realtime": True}
        kit = _start_kit(stand, part, camera=camera, segments={"record_at_start": True, "proxy": has_proxy})
        stand.wait_until(lambda: _is_recording(stand, part), "the recording")
        found = _watch(kit, _WATCH_S)
    whole = sum(found.cores.values()) * 100
    report(
        "kit_cpu_but_encoding",
        whole,
        "% of a core",
        picture="1920x1080p30, H.264 of the source passed through, with sound",
        megabit_s=rate,
        small_pictures=has_proxy,
        processes={name: round(cores * 100, 2) for name, cores in found.cores.items()},
        over_s=_WATCH_S,
    )


def _measure_boots() -> None:
    took = []
    with open_stand() as stand:
        stand.start_services()
        part = PARTS[1]
        stand.enrol_kit(part)
        for _ in range(_BOOTS):
            with open_spool(stand.stage.kit_dir(part) / "spool.db") as spool:
                spool.state.set("recorder_boot", None)
            stand.start_kit(part)
            stand.wait_until(lambda: bool(_read(stand, part, "recorder_boot")), "the first picture")
            times = _read(stand, part, "recorder_boot")
            took.append((times["first_frame_ms"] - times["kit_ms"]) / 1000)
            stand.end_child(part.kit_id)
    report(
        "boot_to_recording_s",
        max(took),
        "s",
        median_s=percentile(took, 0.5),
        boots=_BOOTS,
        how="start of the manager's process to the first picture of a recording; files in the page cache",
    )


def _start_kit(stand: Stand, part: Part, **changes: dict[str, Any]) -> dict[str, psutil.Process]:
    """A kit at a centre of its own, once it is heard; its processes by name, the one in reserve among them."""
    stand.start_services()
    stand.enrol_kit(part)
    stand.start_kit(part, **changes)
    stand.wait_until(lambda: stand.count_seen_kits() >= 1, "the kit to be seen")
    stand.screen_address(part.kit_id)
    found: dict[str, psutil.Process] = {}

    def look() -> bool:
        for name, module in _MODULES.items():
            with contextlib.suppress(LookupError):
                found[name] = find_process(stand, part.kit_id, module)
        return len(found) == len(_MODULES)

    stand.wait_until(look, "all processes of the kit")
    found["manager"] = psutil.Process(stand.children[-1].process.pid)
    return found


def _watch(kit: dict[str, psutil.Process], seconds: float) -> _Watched:
    time.sleep(_SETTLE_S)
    before, began_s = {name: cpu_seconds(process) for name, process in kit.items()}, time.monotonic()
    peaks = dict.fromkeys(kit, 0.0)
    while time.monotonic() < began_s + seconds:
        for name, process in kit.items():
            peaks[name] = max(peaks[name], process.memory_info().rss / 2**20)
        time.sleep(0.5)
    took_s = time.monotonic() - began_s
    return _Watched(peaks, {name: (cpu_seconds(process) - before[name]) / took_s for name, process in kit.items()})


def _camera_of(part: Part) -> dict[str, Any]:
    return {"kind": "synthetic", "width": part.width, "height": part.height, "fps": part.fps,
            "bitrate_bps": part.bitrate_bps, "preset": "ultrafast"}  # fmt: skip


def _make_film(path: Path, part: Part) -> Path:
    """Encoded beforehand from the synthetic picture, so that it has the size of a real one.

    Longer than anybody watches: a camera is not opened anew every few seconds, so neither is the film. The same
    seconds of picture stand in it again and again; its first, in which the encoder finds its rate, are left out.
    """
    with av.open(path, "w") as container:
        stream = container.add_stream(
            "libx264", rate=part.fps, options={"preset": "ultrafast", "tune": "zerolatency"}
        )
        stream.width, stream.height, stream.pix_fmt = part.width, part.height, "yuv420p"
        stream.codec_context.gop_size = part.fps * 2
        # Somewhat more than wanted: what its large first picture cost the encoder saves on all that follow.
        stream.codec_context.bit_rate = part.bitrate_bps * 5 // 4
        sound = container.add_stream("aac", rate=_SOUND_RATE, layout="mono")
        pictures, samples = _encode_pictures(stream, part), 0
        for number in range(round(_FILM_S * part.fps)):
            data, is_key = pictures[number % len(pictures)]
            packet = av.Packet(data)
            packet.stream, packet.time_base = stream, Fraction(1, part.fps)
            packet.pts = packet.dts = number
            packet.duration, packet.is_keyframe = 1, is_key
            container.mux(packet)
            while samples < (number + 1) / part.fps * _SOUND_RATE:
                tone = av.AudioFrame(format="fltp", layout="mono", samples=1024)
                tone.planes[0].update(bytes(tone.planes[0].buffer_size))
                tone.sample_rate, tone.pts, tone.time_base = _SOUND_RATE, samples, Fraction(1, _SOUND_RATE)
                container.mux(sound.encode(tone))
                samples += 1024
        container.mux(sound.encode(None))
    return path


def _encode_pictures(stream: av.VideoStream, part: Part) -> list[tuple[bytes, bool]]:
    """Each picture of a stretch that begins with a key frame, and whether it is one."""
    noise, packets = os.urandom(part.width * part.height), []
    for number in range(round((_LEFT_OUT_S + _STRETCH_S) * part.fps)):
        frame = av.VideoFrame(part.width, part.height, "yuv420p")
        shift = number * part.width * 2 % len(noise)
        for plane in frame.planes:
            plane.update((noise[shift:] + noise[:shift])[: plane.buffer_size])
        frame.pts, frame.time_base = number, Fraction(1, part.fps)
        packets += stream.encode(frame)
    packets += stream.encode(None)
    return [(bytes(packet), packet.is_keyframe) for packet in packets[round(_LEFT_OUT_S * part.fps) :]]


def _is_recording(stand: Stand, part: Part) -> bool:
    return bool(_read(stand, part, "recorder_status").get("recording"))


def _read(stand: Stand, part: Part, key: str) -> dict[str, Any]:
    with open_spool(stand.stage.kit_dir(part) / "spool.db") as spool:
        told = spool.state.get(key)
        return told if isinstance(told, dict) else {}
