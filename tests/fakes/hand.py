"""An officer's fingers on mock pins, with clocks that move only when told."""

from gpiozero.pins.mock import MockFactory, MockPWMPin

from edge.panel.desk import PanelClock


class Clocks:
    """Wall time, time since boot and the seconds of the loop, moved together."""

    def __init__(self) -> None:
        self.s = 1000.0
        self.wall_offset_ms = 1_760_000_000_000

    def now_s(self) -> float:
        return self.s

    def panel_clock(self) -> PanelClock:
        return PanelClock(
            wall_ms=lambda: self.wall_offset_ms + round(self.s * 1000),
            boot_ms=lambda: round(self.s * 1000),
            now_s=self.now_s,
        )


class Pins:
    """Mock pins; buttons pull to ground."""

    def __init__(self) -> None:
        self.factory = MockFactory(pin_class=MockPWMPin)

    def press(self, number: int) -> None:
        self.factory.pin(number).drive_low()

    def release(self, number: int) -> None:
        self.factory.pin(number).drive_high()

    def is_on(self, number: int) -> bool:
        return bool(self.factory.pin(number).state)
