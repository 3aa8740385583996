"""Who and where the demo plays: six kits in six counties. All names are specimens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from demo.tracks import Loop


@dataclass(frozen=True)
class Part:
    """One kit of the demo: its court, its bearer, its camera and its patrol."""

    kit_id: str
    court_code: str
    label: str
    officer: str
    loop: Loop
    width: int = 320
    height: int = 180
    fps: int = 10
    bitrate_bps: int = 150_000


PARTS: Final = (
    Part(
        "dl-2901-01",
        "云2901",
        "大理市一号单兵",
        "样例警官甲",
        Loop(25.592, 100.230, 2600, 9.0, seed=1),
        width=1280,
        height=720,
        fps=25,
        bitrate_bps=2_000_000,
    ),
    Part("dl-2923-01", "云2923", "祥云一号执法记录仪", "样例警官乙", Loop(25.477, 100.554, 3200, 11.0, seed=2)),
    Part("dl-2924-01", "云2924", "宾川一号执法记录仪", "样例警官丙", Loop(25.827, 100.575, 2800, 8.0, seed=3)),
    Part("dl-2928-01", "云2928", "永平一号执法记录仪", "样例警官丁", Loop(25.464, 99.541, 2400, 7.0, seed=4)),
    Part("dl-2929-01", "云2929", "云龙一号执法记录仪", "样例警官戊", Loop(25.885, 99.371, 3000, 10.0, seed=5)),
    Part("dl-2932-01", "云2932", "鹤庆一号执法记录仪", "样例警官己", Loop(26.560, 100.176, 3600, 12.0, seed=6)),
)
