from edge.panel.gestures import Act, Change, Debouncer, HoldGesture, SlideGesture, TwoHoldGesture


class TestDebouncer:
    def test_a_bouncing_press_is_one_change_at_its_first_touch(self):
        debouncer = Debouncer(0.03)
        for index, at_s in enumerate((1.000, 1.002, 1.004, 1.007, 1.009)):
            debouncer.feed(index % 2 == 0, at_s)
            assert debouncer.poll(at_s) is None
        assert debouncer.poll(1.030) is None
        assert debouncer.poll(1.040) == Change(True, 1.000)
        assert debouncer.poll(1.050) is None

    def test_a_spike_shorter_than_the_settling_time_is_nothing(self):
        debouncer = Debouncer(0.03)
        debouncer.feed(True, 1.0)
        debouncer.feed(False, 1.01)
        assert debouncer.poll(1.02) is None
        assert debouncer.poll(1.05) is None
        assert debouncer.due_s is None

    def test_a_spike_does_not_lengthen_the_press_after_it(self):
        debouncer = Debouncer(0.03)
        debouncer.feed(True, 1.0)
        debouncer.feed(False, 1.01)
        debouncer.poll(1.05)
        debouncer.feed(True, 3.0)
        assert debouncer.poll(3.03) == Change(True, 3.0)

    def test_it_asks_to_be_polled_when_there_is_something_to_decide(self):
        debouncer = Debouncer(0.03)
        assert debouncer.due_s is None
        debouncer.feed(True, 1.0)
        assert debouncer.due_s == 1.03
        debouncer.poll(1.03)
        assert debouncer.due_s is None


class TestHoldGesture:
    def make(self):
        return HoldGesture(1.0, held=Act.WITHDRAW, short=Act.MARK)

    def test_let_go_early_is_short(self):
        gesture = self.make()
        assert gesture.change(Change(True, 5.0)) is None
        assert gesture.poll(5.9) is None
        assert gesture.change(Change(False, 5.95)) is Act.MARK

    def test_held_acts_once_and_while_still_down(self):
        gesture = self.make()
        gesture.change(Change(True, 5.0))
        assert gesture.due_s == 6.0
        assert gesture.poll(6.0) is Act.WITHDRAW
        assert gesture.poll(6.5) is None
        assert gesture.due_s is None
        assert gesture.change(Change(False, 7.0)) is None

    def test_a_late_loop_does_not_turn_a_hold_into_a_short_press(self):
        gesture = self.make()
        gesture.change(Change(True, 5.0))
        assert gesture.change(Change(False, 6.4)) is Act.WITHDRAW

    def test_a_short_press_of_sos_is_nothing(self):
        gesture = HoldGesture(1.0, held=Act.SOS)
        gesture.change(Change(True, 5.0))
        assert gesture.change(Change(False, 5.8)) is None


class TestTwoHoldGesture:
    def make(self):
        return TwoHoldGesture(1.0, 3.0, short=Act.MARK, held=Act.MARK_HELD, long=Act.QUIET)

    def test_three_meanings(self):
        for held_s, act in ((0.4, Act.MARK), (1.5, Act.MARK_HELD)):
            gesture = self.make()
            gesture.change(Change(True, 5.0))
            assert gesture.poll(5.0 + held_s) is None
            assert gesture.change(Change(False, 5.0 + held_s)) is act

    def test_the_long_one_acts_while_still_down_and_once(self):
        gesture = self.make()
        gesture.change(Change(True, 5.0))
        assert gesture.due_s == 8.0
        assert gesture.poll(8.0) is Act.QUIET
        assert gesture.poll(9.0) is None
        assert gesture.change(Change(False, 9.5)) is None

    def test_a_late_loop_loses_none(self):
        gesture = self.make()
        gesture.change(Change(True, 5.0))
        assert gesture.change(Change(False, 8.4)) is Act.QUIET


def test_a_slide_means_its_place():
    gesture = SlideGesture()
    assert gesture.change(Change(True, 1.0)) is Act.RECORD_ON
    assert gesture.poll(9.0) is None
    assert gesture.change(Change(False, 10.0)) is Act.RECORD_OFF
