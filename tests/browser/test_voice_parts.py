"""The pure parts of the browser's voice: jitter buffer, wire, press to talk, size of a camera's picture."""

import base64
import json

import pytest

from contract import live

pytestmark = pytest.mark.browser

WITH_BUFFER = """async ([steps, options]) => {
  const { JitterBuffer } = await import('/static/js/live/jitter.js');
  const buffer = new JitterBuffer(options), log = [];
  for (const [what, count, level] of steps) {
    if (what === 'word') buffer.push(new Float32Array(960).fill(0.5), true);
    if (what === 'push') for (let i = 0; i < count; i += 1) buffer.push(new Float32Array(960).fill(level ?? 0.5));
    if (what === 'finish') buffer.finish();
    if (what === 'pull') for (let i = 0; i < count; i += 1) {
      const out = new Float32Array(128);
      const sounded = buffer.pull(out);
      const jump = Math.max(...out.map((value, n) => n ? Math.abs(value - out[n - 1]) : 0));
      log.push({ sounded, last: out[127], depth: buffer.depth, jump });
    }
    if (what === 'even') for (let i = 0; i < count; i += 1) {
      buffer.push(new Float32Array(960).fill(0.5));
      for (let pull = 0; pull < (i % 2 ? 8 : 7); pull += 1) {
        log.push({ sounded: buffer.pull(new Float32Array(128)), depth: buffer.depth });
      }
    }
  }
  const { underruns, skipped, depth } = buffer;
  return { log, underruns, target: buffer.target / 48, skipped, depth };
}"""


@pytest.fixture
def page(open_page):
    return open_page(None, "/login")


def run(page, *steps, **options):
    return page.evaluate(WITH_BUFFER, [list(steps), options])


def test_sound_begins_when_forty_milliseconds_are_held(page):
    early = run(page, ["push", 1], ["pull", 3])
    assert not any(step["sounded"] for step in early["log"])
    begun = run(page, ["push", 2], ["pull", 3])
    assert all(step["sounded"] for step in begun["log"])


def test_a_short_word_is_heard_although_it_never_fills_the_buffer(page):
    told = run(page, ["push", 1], ["finish"], ["pull", 9])
    assert sum(step["sounded"] for step in told["log"]) == 8  # 960 samples in blocks of 128
    assert told["underruns"] == 0


def test_lateness_makes_it_more_careful_by_as_much_and_quiet_seconds_less(page):
    dry = run(page, ["push", 2], ["pull", 23], ["push", 1])  # 15 blocks hold 40 ms; 8 of 2.67 ms are missing
    assert dry["underruns"] == 1
    assert dry["target"] == pytest.approx(40 + 8 * 128 / 48, abs=2.7)
    many = run(page, *[["push", 14], ["pull", 130]] * 9)
    assert many["target"] == 200  # and no more than that
    settled = run(page, ["push", 2], ["pull", 20], ["push", 3], ["even", 900])
    assert settled["target"] == 40


def test_an_outage_that_no_buffer_makes_up_for_does_not_make_it_wait_as_long_as_it_can(page):
    told = run(page, ["push", 2], ["pull", 2000], ["push", 250], ["even", 200])
    assert told["underruns"] == 1 and told["target"] <= 60
    assert told["depth"] <= 100 * 48


TICK = [*[["word", 1], ["pull", 7]], *[["push", 1], ["pull", 8], ["push", 1], ["pull", 7]] * 6, ["pull", 70]]
LONE = [["word", 1], ["pull", 150]]


def test_silence_that_a_sender_leaves_out_is_no_lateness(page):
    """As a kit sends it: a word, one packet in the pause, a word; each is heard when 40 ms of it have come."""
    told = run(page, *[*TICK, *LONE] * 20)
    assert (told["underruns"], told["target"], told["skipped"]) == (0, 40, 0)
    sounded = [step["sounded"] for step in told["log"]]
    size = len(sounded) // 20
    assert size == 7 + 6 * 15 + 70 + 150
    for word in range(20):
        own = sounded[word * size : (word + 1) * size]
        assert not any(own[:7]) and all(own[7:100]), word  # begins with the second packet, and has no hole
        assert sum(own[167:]) == 8, word  # the lone packet is played by itself, and not with the next word


def test_caution_goes_between_words_too(page):
    """No word lasts two seconds, and yet a careful buffer becomes quick again."""
    late = [["push", 2], ["pull", 60], ["push", 5], ["pull", 8]]
    grown = run(page, *late)
    assert grown["target"] > 100
    settled = run(page, *late, *TICK * 160)
    assert settled["target"] == 40


def test_lumps_of_sound_are_heard_without_holes_once_it_knows_them(page):
    """Two packets each 40 ms, as a camera gives them that hands over sound with its pictures."""
    told = run(page, *[["push", 2], ["pull", 15]] * 100)
    assert all(step["sounded"] for step in told["log"][300:])
    assert told["target"] <= 80


def test_a_little_too_much_is_left_out_in_silence_and_not_in_speech(page):
    held = ["push", 3], *[["push", 1], ["pull", 7], ["push", 1], ["pull", 8]] * 80
    spoken = run(page, *held, target_ms=60)
    quiet = run(page, *[[*step, 0.001] for step in held], target_ms=60)
    assert spoken["skipped"] == 0 and quiet["skipped"] > 20 * 48
    assert quiet["underruns"] == 0 and all(step["sounded"] for step in quiet["log"])


def test_what_comes_at_once_after_a_stall_is_not_played_late(page):
    told = run(page, ["push", 2], ["pull", 20], ["push", 100], ["pull", 1])
    assert told["depth"] <= 60 * 48 + 240 * 48
    assert told["skipped"] >= 1700 * 48


def test_a_sender_whose_clock_is_fast_never_makes_it_drift_behind(page):
    told = run(page, ["push", 2], ["even", 1500])  # 20 ms come in each 19.9 ms of playing
    assert max(step["depth"] for step in told["log"]) < 150 * 48
    assert all(step["sounded"] for step in told["log"][-1000:])


def test_neither_beginning_nor_end_is_a_click(page):
    told = run(page, ["push", 2, 0.9], ["pull", 40])
    assert max(step["jump"] for step in told["log"]) < 0.05
    assert told["log"][-1]["last"] == 0


def test_many_voices_at_once_stay_within_what_a_speaker_plays(page):
    bent = page.evaluate(
        "async () => { const { limit } = await import('/static/js/live/jitter.js');"
        " return [0.3, -0.5, 1, 4, -9].map(limit); }"
    )
    assert bent[:2] == [0.3, -0.5]
    assert 0.5 < bent[2] < bent[3] <= 1
    assert -1 <= bent[4] < -0.9


def test_the_wire_is_the_contract_s(page):
    at_us = 1_795_000_000_123_456
    packed = page.evaluate(
        """async (at_us) => {
          const wire = await import('/static/js/live/wire.js');
          const text = (bytes) => btoa(String.fromCharCode(...bytes));
          const head = { flags: wire.WANTS_ACK, stream: 513, seq: 4294967295, time_us: at_us };
          return [
            wire.pack(wire.AUDIO, new Uint8Array([1, 2, 3]), head),
            wire.packControl('talk', { on: true, to: ['dl-2901-01'] }),
            wire.packInit({ codec: 'avc1.42001f', width: 640, height: 360, fps: 15 }),
            wire.packAck(7),
          ].map(text);
        }""",
        at_us,
    )
    sound, talk, init, ack = (live.unpack(base64.b64decode(text)) for text in packed)
    assert (sound.type, sound.flags, sound.stream, sound.seq, sound.time_us, bytes(sound.payload)) == (
        live.Type.AUDIO, live.WANTS_ACK, 513, 4294967295, at_us, b"\1\2\3",
    )  # fmt: skip
    assert live.read_control(talk) == live.Talk(on=True, to=["dl-2901-01"])
    assert live.read_init(init) == live.Init(codec="avc1.42001f", width=640, height=360, fps=15)
    assert (ack.type, ack.seq) == (live.Type.ACK, 7)


def test_frames_from_the_contract_are_read_and_garbage_is_none(page):
    frames = [
        live.pack_control(live.Talkers(you="p:1", talkers=[live.Talker(stream=3, id="dl-2901-01", on=True)])),
        live.pack(live.Type.AUDIO, b"\xff" * 9, stream=3, seq=8, time_us=5),
        b"short",
    ]
    seen = page.evaluate(
        """async (texts) => {
          const wire = await import('/static/js/live/wire.js');
          const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
          const [talkers, sound, short] = texts.map((text) => wire.unpack(bytes(text)));
          const { type, stream, seq, time_us, payload } = sound;
          const told = JSON.stringify(wire.readJson(talkers));
          return [told, type, stream, seq, time_us, payload.length, short, wire.readJson(sound)];
        }""",
        [base64.b64encode(frame).decode() for frame in frames],
    )
    told = json.loads(seen[0])
    assert (told["type"], told["you"], told["talkers"][0]["on"]) == ("talkers", "p:1", True)
    assert seen[1:] == [live.Type.AUDIO, 3, 8, 5, 9, None, None]


@pytest.mark.parametrize(
    ("given", "sent"),
    [((1280, 720), (640, 360)), ((640, 480), (480, 360)), ((480, 640), (360, 480)), ((320, 180), (320, 180))],
)
def test_a_camera_keeps_its_shape_within_the_small_picture(page, given, sent):
    size = page.evaluate(
        "async ([w, h]) => Object.values((await import('/static/js/live/publish.js')).fit(w, h))", list(given)
    )
    assert tuple(size) == sent


def test_a_camera_waits_for_a_full_line_and_goes_on_with_less(page):
    told = page.evaluate("""async () => {
      const { Publisher } = await import('/static/js/live/publish.js');
      const publisher = new Publisher({ address: 'ws://127.0.0.1:9/', video: document.createElement('video') });
      let again = 0;
      publisher.line.again = () => { again += 1; };
      const told = [], note = () => told.push([publisher.isLate, publisher.bps, Boolean(publisher.needsKey), again]);
      const sent = (seq, at_ms) => publisher.waiting.set(seq, at_ms);
      sent(1, 1000); sent(2, 1100);
      publisher.judge(1500); note();  // under way for half a second: a far relay
      publisher.judge(1700); note();  // longer: the line is full
      publisher.settle(2); publisher.judge(1800); note();  // it is through: on with less, from a key frame
      publisher.judge(7600); note();
      publisher.judge(7800); note();  // six good seconds: more
      publisher.judge(20000); publisher.judge(30000); note();  // and never more than at first
      sent(3, 31000); publisher.judge(33600); note();  // no word at all: anew
      return told;
    }""")
    assert told == [
        [False, 400_000, False, 0],
        [True, 240_000, False, 0],
        [False, 240_000, True, 0],
        [False, 240_000, True, 0],
        [False, 312_000, True, 0],
        [False, 400_000, True, 0],
        [False, 400_000, True, 1],
    ]


TALK_KEY = """async () => {
  const { bindTalkKey } = await import('/static/js/live/talk-key.js');
  document.body.insertAdjacentHTML('beforeend', '<button id="talk" aria-pressed="false">T</button>');
  document.body.insertAdjacentHTML('beforeend', '<button id="other">O</button>');
  const button = document.getElementById('talk');
  window.acts = [];
  window.mayTalk = true;
  bindTalkKey(button, (on) => {
    window.acts.push(on);
    const is = on && window.mayTalk;
    button.setAttribute('aria-pressed', String(is));
    return is;
  });
  button.scrollIntoView();
}"""


@pytest.fixture
def talk(page):
    page.evaluate(TALK_KEY)
    return page


def acts(page):
    return page.evaluate("window.acts")


def test_it_talks_while_pressed_and_no_longer(talk):
    talk.locator("#talk").hover()
    talk.mouse.down()
    assert acts(talk) == [True]
    talk.mouse.move(5, 5)  # slipping off the button does not cut anybody short
    assert acts(talk) == [True]
    talk.mouse.up()
    assert acts(talk) == [True, False]


def test_the_space_bar_talks_but_never_while_somebody_types_or_presses_another_button(talk):
    talk.evaluate("document.activeElement.blur()")
    talk.keyboard.down("Space")
    talk.keyboard.down("Space")  # the key repeats
    assert acts(talk) == [True]
    talk.keyboard.up("Space")
    assert acts(talk) == [True, False]
    for name in ("input[name=login], input[type=text]", "#other"):
        talk.locator(name).first.focus()
        talk.keyboard.press("Space")
    assert acts(talk) == [True, False]


@pytest.mark.parametrize(
    "lost",
    [
        "dispatchEvent(new Event('blur'))",
        "dispatchEvent(new Event('pagehide'))",
        "document.getElementById('talk').dispatchEvent(new PointerEvent('pointercancel'))",
    ],
)
def test_whatever_takes_the_finger_away_ends_it(talk, lost):
    talk.locator("#talk").hover()
    talk.mouse.down()
    talk.evaluate(lost)
    assert acts(talk) == [True, False]
    talk.mouse.up()
    assert acts(talk) == [True, False]


def test_who_cannot_hold_a_key_switches(talk):
    talk.locator("#talk").focus()
    talk.keyboard.press("Enter")
    assert acts(talk) == [True]
    talk.evaluate("document.getElementById('talk').click()")  # as a screen reader does it
    assert acts(talk) == [True, False]
    talk.evaluate("document.getElementById('talk').click(); dispatchEvent(new Event('blur'))")
    assert acts(talk) == [True, False, True, False]


def test_a_press_that_may_not_talk_leaves_nothing_behind(talk):
    talk.evaluate("window.mayTalk = false")
    talk.locator("#talk").click()
    assert acts(talk) == [True]
