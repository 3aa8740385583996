"""The kit's live process and its voice: real TLS and proofs, the recorder's real tap and AAC, ALSA's file device."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from itertools import count

import av
import pytest

from contract.live import (
    CLOSE_REFUSED,
    CLOSE_RESTARTING,
    PRESSED,
    VOICE_PATH,
    Mode,
    Talk,
    Talker,
    Talkers,
    Type,
    pack,
)
from edge.live.opus import Decoder, Encoder
from edge.recorder.sources.encoding import SoundEncoder
from edge.recorder.tapping import Tapping
from edge.spool.talk import end_talk, hold_talk
from tests.edge.live.live_kit import KIT, run_kit
from tests.edge.live.sound import measure_tone, tone_block
from tests.fakes.small_authority import SmallAuthority
from tests.fakes.small_relay import run_relay
from tests.waiting import wait_until

OPERATOR = Talker(stream=7, id="p:1", name="样例值班员")
COLLEAGUE = Talker(stream=8, id="dl-2902-01", name="dl-2902-01")
MINE = Talker(stream=9, id=KIT, name=KIT, on=True)
ALSA = 'pcm.nothing {{ type null }}\npcm.ear {{ type file slave.pcm "nothing" file "{file}" format "raw" }}\n'


class Mouth:
    """The recorder's side: a tone of 440 Hz as the camera's sound, 48 kHz AAC, served by the recorder's own tap."""

    def __init__(self, folder, hz=440):
        self.hz, self.loudness = hz, 12_000
        self.tapping = Tapping(folder)
        self._encoder = SoundEncoder()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    fps = 25.0

    @property
    def audio(self):
        return self._encoder.format

    def __enter__(self):
        self.tapping.begin(self)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(5)
        self.tapping.close()
        self._encoder.close()

    def _run(self):
        began = time.monotonic()
        for number in count():
            frame = av.AudioFrame(format="s16", layout="mono", samples=960)
            frame.planes[0].update(tone_block(self.hz, number, self.loudness))
            frame.sample_rate = 48_000
            for packet in self._encoder.encode(frame, number * 20_000):
                self.tapping.offer(packet)
            if self._stop.wait(max(0.0, began + number * 0.02 - time.monotonic())):
                return


@pytest.fixture
def authority(tmp_path):
    return SmallAuthority.found(tmp_path / "authority")


@pytest.fixture
def scene(authority, tmp_path):
    """A kit whose live process runs, its recorder's sound, and a relay; yields them and what the speaker played."""
    ear = tmp_path / "ear.raw"
    (tmp_path / "alsa.conf").write_text(ALSA.format(file=ear))
    env = {**os.environ, "ALSA_CONFIG_PATH": str(tmp_path / "alsa.conf")}

    def start(command):
        return subprocess.Popen(command, env=env)

    with (
        run_relay(authority.serve("relay", hosts=("127.0.0.1",)), wants=[]) as relay,
        run_kit(authority, start=start, live={"speaker": "alsa:ear"}) as kit,
        Mouth(kit.folder) as mouth,
    ):
        kit.run("live")
        yield kit, relay, mouth, ear


def begin(kit, relay, voice="ptt"):
    kit.begin(relay.url, voice=voice)
    wait_until(lambda: kit.state("voice_status").get("connected"), 30, "the voice to be connected")
    relay.say(Talkers("", [OPERATOR, COLLEAGUE]))
    wait_until(lambda: kit.state("voice_status").get("others"), 10)


def press(kit, to="centre"):
    hold_talk(kit.spool, to=to, by="page")
    kit.tell()


def sound_of(relay, since=0):
    return [item for item in list(relay.came)[since:] if item.frame.type is Type.AUDIO]


def talks(relay):
    return [control for control in relay.controls if isinstance(control, Talk)]


def say_to(relay, hz, blocks, talker=OPERATOR):
    """The operator talks for so many blocks of 20 ms."""
    relay.say(Talkers("", [Talker(talker.stream, talker.id, talker.name, on=True), COLLEAGUE]))
    encoder, began = Encoder(), time.monotonic()
    for number in range(blocks):
        packet = encoder.encode(tone_block(hz, number))
        if packet:
            relay.send(pack(Type.AUDIO, packet, stream=talker.stream, seq=number, time_us=time.time_ns() // 1000))
        time.sleep(max(0.0, began + number * 0.02 - time.monotonic()))
    relay.say(Talkers("", [OPERATOR, COLLEAGUE]))


def test_the_officer_is_heard_while_he_holds_the_button_and_not_before_or_after(scene):
    kit, relay, _, _ = scene
    begin(kit, relay)
    time.sleep(0.5)
    assert sound_of(relay) == [] and talks(relay) == []
    pressed_s = time.time()
    press(kit)
    wait_until(lambda: len(sound_of(relay)) > 60, 15, "the officer's voice")
    end_talk(kit.spool, by="page")
    wait_until(lambda: talks(relay) and not talks(relay)[-1].on, 10)
    heard = len(sound_of(relay))
    time.sleep(0.5)
    assert len(sound_of(relay)) <= heard + 3, "the microphone is closed"
    assert [(talk.to, talk.key) for talk in talks(relay)] == [(["p:1"], True), ([], None)]
    assert all(item.frame.flags == PRESSED for item in sound_of(relay))
    came = sound_of(relay)
    print(f"voice: first packet {1000 * (came[0].at_s - pressed_s):.0f} ms after the press")
    decoder = Decoder()
    pcm = b"".join(decoder.decode(bytes(item.frame.payload)) for item in came[10:40])
    assert measure_tone(pcm, 440) > 4000
    ages = sorted(item.age_ms for item in came[10:])
    print(f"voice: tap to relay p50 {ages[len(ages) // 2]:.0f} ms, p99 {ages[int(len(ages) * 0.99)]:.0f} ms")
    assert ages[len(ages) // 2] < 120
    assert [item.frame.seq for item in came] == list(range(1, len(came) + 1))


def test_the_operator_is_heard_and_named_and_his_voice_stops_while_the_officer_talks(scene):
    kit, relay, _, ear = scene
    begin(kit, relay)
    talking = threading.Thread(target=say_to, args=(relay, 1000, 90))
    talking.start()
    wait_until(lambda: kit.state("voice_status").get("hears") == ["样例值班员"], 10)
    talking.join()
    wait_until(lambda: kit.state("voice_status").get("hears") == [], 10)
    # ALSA's file device writes when its buffer is full or closed.
    kit.end()
    wait_until(lambda: ear.exists() and ear.stat().st_size > 48_000 * 2, 15, "sound from the speaker")
    pcm = ear.read_bytes()
    middle = pcm[len(pcm) // 3 : 2 * len(pcm) // 3]
    assert measure_tone(middle[: len(middle) // 2 * 2], 1000) > 4000
    assert measure_tone(middle[: len(middle) // 2 * 2], 440) < 500, "his own voice is never played back"


def test_to_whom_follows_the_choice_and_who_is_there(scene):
    kit, relay, _, _ = scene
    begin(kit, relay)
    press(kit, "dl-2902-01")
    wait_until(lambda: talks(relay), 10)
    assert talks(relay)[-1].to == ["dl-2902-01"]
    press(kit, "centre")
    wait_until(lambda: talks(relay)[-1].to == ["p:1"], 10)
    relay.say(Talkers("", [OPERATOR, Talker(stream=11, id="p:2", name="样例指挥长"), MINE]))
    wait_until(lambda: talks(relay)[-1].to == ["p:1", "p:2"], 10)
    press(kit, "centre")
    relay.say(Talkers("", [COLLEAGUE, MINE]))
    wait_until(lambda: talks(relay)[-1].to == ["p:"], 10)
    assert wait_until(lambda: kit.state("voice_status").get("trouble") == "nobody_there", 10)


def test_a_button_whose_holder_was_killed_lets_go_by_itself(scene):
    kit, relay, _, _ = scene
    begin(kit, relay)
    press(kit)
    wait_until(lambda: sound_of(relay), 10)
    wait_until(lambda: not talks(relay)[-1].on, 10, "the microphone to close without a renewal")
    wait_until(lambda: kit.state("voice_status")["talking"] is None, 10, "the page to be told")


def test_full_duplex_is_open_all_the_time_and_drops_to_the_button_on_a_thin_link(scene):
    kit, relay, mouth, _ = scene
    kit.begin(relay.url, voice="duplex")
    wait_until(lambda: len(sound_of(relay)) > 20, 30, "voice without a button")
    mouth.loudness = 0
    wait_until(lambda: kit.state("voice_status").get("mode") == "duplex", 5)
    time.sleep(1.0)
    before = len(sound_of(relay))
    time.sleep(2.0)
    assert 2 <= len(sound_of(relay)) - before <= 12, "of silence a few packets"
    kit.spool.state.set("metered", {"on": False, "thin": True})
    kit.tell()
    wait_until(lambda: any(isinstance(control, Mode) for control in relay.controls), 10)
    told = next(control for control in relay.controls if isinstance(control, Mode))
    assert told.mode == "ptt" and "链路过窄" in told.reason
    assert wait_until(lambda: kit.state("voice_status").get("reason") == "thin", 10)
    wait_until(lambda: not talks(relay)[-1].on, 10)


def begin_both(kit, relay):
    """In two sessions at the same time: by the key in the one, full duplex in the other."""
    kit.begin_all(relay.url, {"voice": "ptt"}, {"voice": "duplex"})
    wait_until(lambda: kit.state("voice_status").get("connected"), 30, "the voice to be connected")


def test_in_two_kinds_of_session_it_says_of_talk_and_sound_whether_the_key_is_down(scene):
    kit, relay, _, _ = scene
    begin_both(kit, relay)
    relay.say(Mode("duplex", keys=True))
    wait_until(lambda: len(sound_of(relay)) > 20, 30, "voice without a button")
    assert talks(relay)[-1].key is False and not any(item.frame.flags for item in sound_of(relay))
    press(kit)
    wait_until(lambda: talks(relay)[-1].key, 10, "the press")
    wait_until(lambda: press(kit) or sound_of(relay)[-1].frame.flags == PRESSED, 10, "pressed sound")
    end_talk(kit.spool, by="page")
    wait_until(lambda: talks(relay)[-1] == Talk(True, talks(relay)[-1].to, key=False), 10, "open again")
    heard = len(sound_of(relay))
    wait_until(lambda: len(sound_of(relay)) > heard + 20, 10, "the open microphone goes on")
    assert sound_of(relay)[-1].frame.flags == 0


def test_a_relay_that_does_not_tell_keys_apart_hears_the_key_alone(scene):
    kit, relay, _, _ = scene
    begin_both(kit, relay)
    relay.say(Mode("duplex"))
    wait_until(lambda: kit.state("voice_status").get("mode") == "ptt", 10)
    time.sleep(0.5)
    assert sound_of(relay) == [] and talks(relay) == []
    press(kit)
    wait_until(lambda: sound_of(relay), 15)


def voices(relay):
    return [connection for connection in list(relay.open) if connection.request.path == VOICE_PATH]


@pytest.mark.parametrize("stays", ["ptt", "duplex"])
def test_one_of_two_sessions_ends_while_the_key_is_held_and_nothing_hangs_open(scene, stays):
    kit, relay, _, _ = scene
    begin_both(kit, relay)
    relay.say(Mode("duplex", keys=True))
    wait_until(lambda: press(kit) or (talks(relay) and talks(relay)[-1].key), 10)
    of_both, said = voices(relay), len(talks(relay))
    kit.begin_all(relay.url, {"voice": stays})
    wait_until(lambda: voices(relay) and voices(relay) != of_both, 30, "a connection of the other one alone")

    def is_held_there():
        press(kit)
        return any(talk.key for talk in talks(relay)[said:])

    wait_until(is_held_there, 30, "the held key on the new connection")
    wait_until(lambda: kit.state("voice_status")["mode"] == stays, 10)
    end_talk(kit.spool, by="page")
    if stays == "ptt":
        wait_until(lambda: not talks(relay)[-1].on and kit.state("voice_status")["talking"] is None, 10, "silence")
        heard = len(sound_of(relay))
        time.sleep(0.5)
        assert len(sound_of(relay)) <= heard + 3, "the microphone is closed"
    else:
        wait_until(lambda: talks(relay)[-1].on and talks(relay)[-1].key is False, 10, "open by its mode alone")
        kit.end()
        wait_until(lambda: kit.state("voice_status").get("mode") == "off", 10)


def test_it_comes_back_after_the_relay_and_does_not_hammer_one_that_refuses(scene):
    kit, relay, _, _ = scene
    begin(kit, relay)
    relay.close_all(CLOSE_RESTARTING)
    wait_until(lambda: len(relay.open) >= 2, 20, "picture and voice connected anew")
    press(kit)
    wait_until(lambda: sound_of(relay), 15)
    relay.close_with = CLOSE_REFUSED
    relay.close_all(CLOSE_REFUSED)
    wait_until(lambda: not kit.state("voice_status").get("connected"), 10)
    tries = len(relay.connections)
    time.sleep(3.0)
    assert len(relay.connections) - tries <= 2


def test_garbage_of_the_relay_ends_the_connection_and_not_the_process(scene):
    kit, relay, _, _ = scene
    begin(kit, relay)
    for _ in range(25):
        relay.send(b"\x07garbage-that-is-no-frame-of-ours")
    press(kit)
    wait_until(lambda: sound_of(relay), 20, "his voice over another connection")
    assert kit.processes["live"].poll() is None


def test_without_the_recorders_sound_the_page_is_told(authority):
    with (
        run_relay(authority.serve("relay", hosts=("127.0.0.1",)), wants=[]) as relay,
        run_kit(authority, live={"speaker": "none"}) as kit,
    ):
        kit.run("live")
        begin(kit, relay)
        deadline = time.monotonic() + 15
        while kit.state("voice_status").get("trouble") != "no_microphone":
            press(kit)
            assert time.monotonic() < deadline
            time.sleep(0.2)
