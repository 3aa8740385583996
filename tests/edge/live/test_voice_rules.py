"""Who hears the officer, when his microphone is open, and how late his voice is."""

from contract.live import Talker
from edge.live.microphone import HANGOVER_BLOCKS, SPARSE_BLOCKS, Gate
from edge.live.voice_rules import RECOVER_S, Lateness, ModeKeeper, choose_mode, find_targets, obey_mode

KIT = Talker(stream=1, id="dl-2901-01")
COLLEAGUE = Talker(stream=2, id="dl-2902-01")
OPERATOR, JUDGE = Talker(stream=3, id="p:1"), Talker(stream=4, id="p:2")
ALL = (KIT, COLLEAGUE, OPERATOR, JUDGE)


def test_to_the_centre_to_everybody_and_to_one_colleague():
    assert find_targets("centre", ALL, KIT.id) == ["p:1", "p:2"]
    assert find_targets("all", ALL, KIT.id) == []
    assert find_targets("dl-2902-01", ALL, KIT.id) == ["dl-2902-01"]


def test_what_is_for_the_centre_never_goes_to_everybody_because_nobody_is_there():
    assert find_targets("centre", (KIT, COLLEAGUE), KIT.id) == ["p:"]
    assert find_targets(KIT.id, ALL, KIT.id) == ["p:"]


def test_of_several_sessions_the_widest():
    assert choose_mode(["ptt", "duplex"]) == "duplex"
    assert choose_mode(["off", "ptt"]) == "ptt"
    assert choose_mode(["off"]) == choose_mode([]) == "off"


def test_in_sessions_of_both_kinds_the_key_alone_unless_the_relay_tells_them_apart():
    both = ["ptt", "duplex"]
    assert obey_mode("duplex", both, tells_apart=True) == "duplex"
    assert obey_mode("duplex", both, tells_apart=False) == "ptt"
    assert obey_mode("duplex", ["duplex"], tells_apart=False) == "duplex", "nobody there to be spared"
    assert obey_mode("off", both, tells_apart=False) == "off"


class TestModeKeeper:
    def test_a_thin_link_drops_to_the_button_at_once_and_says_why(self):
        keeper = ModeKeeper()
        keeper.ordered = "duplex"
        assert keeper.mode == "duplex"
        assert keeper.judge(0, is_thin=True, late_s=0) and (keeper.mode, keeper.reason) == ("ptt", "thin")
        assert not keeper.judge(1, is_thin=True, late_s=0)

    def test_it_comes_back_after_ten_good_seconds_in_a_row(self):
        keeper = ModeKeeper()
        keeper.ordered = "duplex"
        keeper.judge(0, is_thin=False, late_s=2.0)
        assert keeper.reason == "late"
        for second in range(1, 9):
            assert not keeper.judge(second, is_thin=False, late_s=0)
        assert not keeper.judge(9, is_thin=False, late_s=0.5), "not yet good: it begins anew"
        for tenth in range(95, 95 + round(RECOVER_S * 10)):
            assert not keeper.judge(tenth / 10, is_thin=False, late_s=0)
        assert keeper.judge(9.5 + RECOVER_S, is_thin=False, late_s=0) and keeper.mode == "duplex"

    def test_push_to_talk_stays_what_it_is(self):
        keeper = ModeKeeper()
        assert not keeper.judge(0, is_thin=True, late_s=9) and keeper.mode == "ptt"
        keeper.ordered = "off"
        assert keeper.mode == "off"


def test_a_long_way_is_not_lateness_but_a_growing_queue_is():
    lateness = Lateness(5000)
    assert lateness.judge(3000, 600) == 0.0, "what a satellite's round trip holds"
    assert lateness.judge(3000, 900) == 0.0
    assert 1.8 < lateness.judge(12_500, 2500) < 2.0, "the least round trip counts, not the swollen one"


def test_silence_is_sent_sparsely_and_a_word_at_once():
    gate = Gate()
    assert all(gate.passes(0) for _ in range(HANGOVER_BLOCKS))
    sent = [gate.passes(0) for _ in range(100)]
    assert 3 <= sum(sent) <= 100 // SPARSE_BLOCKS + 1
    assert gate.passes(5000) and gate.passes(0)
