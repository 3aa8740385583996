"""What the officer hears: every talker through a jitter buffer of his own, mixed, played by a clock of 20 ms.

In a thread of its own, for sound waits for nobody. The clock is ours and not the sound card's: ALSA would take half a
second at once and play it late, and its null device takes everything at once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from contract.live import SOUND_RATE
from edge.live.jitter import FRAME_S, JitterBuffer
from edge.live.mixer import SAMPLES, SILENCE, Mixer, fade_out, measure_peak
from edge.live.opus import Decoder, SoundError

log = logging.getLogger("zhixing.live")

MAX_TALKERS: Final = 8
# So much silence goes ahead of a word into an empty card, or its first syllable stutters.
PREFILL_BLOCKS: Final = 2
DRAINED_S: Final = 0.3
RETRY_S: Final = 5.0
AUDIBLE_PEAK: Final = 400
_LATE_S: Final = 0.5


class Output(Protocol):
    """Where sound goes; blocks of 20 ms, mono, 16 bits, 48 kHz."""

    def write(self, block: bytes) -> None:
        """Play it next; raises OSError when the device is gone."""
        ...

    def close(self) -> None:
        """Let go of the device."""
        ...


class AvOutput:
    """A device of PyAV's formats, as ``alsa:default``."""

    def __init__(self, address: str) -> None:
        """Raises OSError when there is no such device."""
        import av

        self._av = av
        form, _, device = address.partition(":")
        try:
            self._container: Any = av.open(device, "w", format=form)
            self._stream: Any = self._container.add_stream("pcm_s16le", rate=SOUND_RATE)
            self._stream.layout = "mono"
        except (av.FFmpegError, ValueError) as error:
            raise OSError(f"The speaker {address!r} cannot be opened ({error}); see live.speaker.") from error
        self._pts = 0

    def write(self, block: bytes) -> None:
        """Play it next; waits only when the card is behind by its whole buffer."""
        frame = self._av.AudioFrame(format="s16", layout="mono", samples=len(block) // 2)
        frame.planes[0].update(block)
        frame.sample_rate, frame.pts = SOUND_RATE, self._pts
        self._pts += len(block) // 2
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except self._av.FFmpegError as error:
            raise OSError(f"The speaker cannot be written ({error}).") from error

    def close(self) -> None:
        """Let go of the device."""
        try:
            self._container.close()
        except self._av.FFmpegError as error:
            log.info("live: the speaker did not close cleanly (%s)", error)


def open_output(address: str) -> Output | None:
    """The device of ``live.speaker``; None for ``none``. Raises OSError."""
    return None if address == "none" else AvOutput(address)


class _Voice:
    def __init__(self) -> None:
        self.buffer = JitterBuffer()
        self.decoder: Decoder | None = None
        self.last = b""

    def next_block(self) -> bytes:
        """What is heard of this talker in the next 20 ms; b"" for nothing."""
        packet = self.buffer.pull()
        if packet is None:
            block, self.last = fade_out(self.last), b""
            return block
        self.decoder = self.decoder or Decoder()
        try:
            self.last = self.decoder.decode(packet)[: 2 * SAMPLES]
        except SoundError as error:
            log.info("live: %s", error)
            self.decoder, self.last = None, b""
        return self.last if len(self.last) == 2 * SAMPLES else b""


class Speaker:
    """``take`` and ``end`` from the loop's thread; plays in its own between ``start`` and ``stop``."""

    def __init__(
        self,
        address: str,
        *,
        make_output: Callable[[str], Output | None] = open_output,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address, self._make_output, self._now_s = address, make_output, now_s
        self._voices: dict[int, _Voice] = {}
        self._mixer = Mixer()
        self._changed = threading.Condition()
        self._stopping = self._is_warm = False
        self._thread: threading.Thread | None = None
        self._output: Output | None = None
        self._retry_s = self._written_s = float("-inf")
        self.is_muted = False
        self.trouble = ""
        self.audible_s = float("-inf")

    def start(self) -> None:
        """Begin to play what is taken."""
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="speaker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Fall silent and let go of the device."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(2.0)
            self._thread = None

    def take(self, stream: int, seq: int, packet: bytes, time_us: int = 0) -> None:
        """A packet of one talker has come; ``time_us`` is when it was said."""
        with self._changed:
            voice = self._voices.get(stream)
            if voice is None:
                if len(self._voices) >= MAX_TALKERS and not self._make_room():
                    return
                voice = self._voices[stream] = _Voice()
            voice.buffer.push(seq, packet, time_us)
            self._changed.notify()

    def end(self, stream: int) -> None:
        """This talker has let go of his button."""
        with self._changed:
            if stream in self._voices:
                self._voices[stream].buffer.finish()
                self._changed.notify()

    def forget(self) -> None:
        """Another connection: its numbers are given anew."""
        with self._changed:
            self._voices.clear()

    def is_audible(self, within_s: float = 0.25) -> bool:
        """Whether something was to be heard just now: a microphone beside the speaker hears it too."""
        return self._now_s() - self.audible_s <= within_s

    def step(self) -> bytes | None:
        """The next 20 ms of all talkers together; None when there is nothing to be heard."""
        with self._changed:
            blocks = [block for block in (voice.next_block() for voice in self._voices.values()) if block]
        if not blocks or self.is_muted:
            return None
        return self._mixer.mix(blocks)

    def _make_room(self) -> bool:
        for stream, voice in self._voices.items():
            if voice.buffer.is_idle:
                del self._voices[stream]
                return True
        return False

    def _has_sound(self) -> bool:
        return any(voice.last or not voice.buffer.is_idle for voice in self._voices.values())

    def _run(self) -> None:
        due_s = self._now_s()
        try:
            while not self._stopping:
                with self._changed:
                    if not self._has_sound() and not self._stopping:
                        self._changed.wait(1.0)
                        due_s = max(due_s, self._now_s())
                        continue
                    self._changed.wait_for(lambda: self._stopping, max(0.0, due_s - self._now_s()))
                self._warm_up()
                block = self.step()
                if block is not None:
                    self._play(block)
                # A machine that was away for long goes on from now instead of catching up.
                due_s = due_s + FRAME_S if self._now_s() - due_s < _LATE_S else self._now_s()
        finally:
            self._close()

    def _warm_up(self) -> None:
        # Loading libav takes a second on a small board: not under the lock, which the loop takes, too.
        if not self._is_warm:
            Decoder()
            self._is_warm = True

    def _play(self, block: bytes) -> None:
        now_s = self._now_s()
        try:
            if self._output is None and (now_s < self._retry_s or not self._open(now_s)):
                return
            if self._output is not None:
                if now_s - self._written_s > DRAINED_S:
                    for _ in range(PREFILL_BLOCKS):
                        self._output.write(SILENCE)
                self._output.write(block)
                self._written_s = now_s
        except OSError as error:
            self._fail(error, now_s)
            return
        if measure_peak(block) > AUDIBLE_PEAK:
            self.audible_s = now_s

    def _open(self, now_s: float) -> bool:
        self._retry_s = now_s + RETRY_S
        self._output = self._make_output(self._address)
        self.trouble = "no_speaker" if self._output is None else ""
        return self._output is not None

    def _fail(self, error: OSError, now_s: float) -> None:
        if self.trouble != "no_speaker":
            log.warning("live: %s", error)
        self.trouble, self._retry_s = "no_speaker", now_s + RETRY_S
        self._close()

    def _close(self) -> None:
        output, self._output = self._output, None
        if output is not None:
            output.close()
