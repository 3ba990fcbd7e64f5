# SPDX-License-Identifier: Apache-2.0
"""Which images are taken by their stamps, and times of videos."""

from __future__ import annotations

import pytest

from facial_coding_ros.image.stamps import Odd, StampRule, VideoTimes

GOOD = [round(0.04 * i, 2) for i in range(6)]


def played(stamps_s: list[float], late_s: float = 0.5) -> tuple[list[float], list[tuple[float, Odd]], StampRule[int]]:
    rule: StampRule[int] = StampRule(late_s)
    used: list[float] = []
    dropped = []
    for index, stamp_s in enumerate(stamps_s):
        taken, left_out = rule.offer(round(stamp_s * 1e9), index)
        used += [stamps_s[one.item] for one in taken]
        dropped += [(stamps_s[one.item], one.odd) for one in left_out]
    dropped += [(stamps_s[one.item], one.odd) for one in rule.flush()]
    return used, dropped, rule


@pytest.mark.parametrize("base_s", [0.0, 1.7e9])
def test_good_stamps_are_all_taken(base_s: float) -> None:
    stamps = [base_s + one for one in GOOD]
    used, dropped, rule = played(stamps)
    assert used == stamps and not dropped and rule.times == 1


def test_first_stamp_0_then_the_clock_begins() -> None:
    clock = [0.0, *(1.7e9 + one for one in GOOD)]
    used, dropped, rule = played(clock)
    assert used == clock and not dropped and rule.times == 2
    assert rule.elapsed_ns == pytest.approx(0.2e9, rel=1e-6), "the jump is no time of the recording"


@pytest.mark.parametrize("wrong", [0.0, 105.0, 95.0, 1.7e9])
def test_one_wrong_stamp_costs_one_image(wrong: float) -> None:
    good = [100 + one for one in GOOD]
    used, dropped, rule = played([*good[:3], wrong, *good[3:]])
    assert used == good and dropped == [(wrong, Odd.OUTLIER)] and rule.times == 1


def test_wrong_stamps_among_good_ones_again_and_again() -> None:
    good = [100 + 0.04 * i for i in range(20)]
    mixed = [stamp for one in good for stamp in (one, 5.0 + one / 10)]
    used, dropped, _ = played(mixed)
    assert used == good and len(dropped) == 20


@pytest.mark.parametrize("begin", [3.0, 99.0, 110.0, 5000.0])
def test_lasting_jump_loses_nothing(begin: float) -> None:
    stamps = [100 + one for one in GOOD] + [begin + one for one in GOOD]
    used, dropped, rule = played(stamps)
    assert used == stamps and not dropped
    assert rule.times == (1 if begin == 110.0 else 2), "a gap is no new time"


def test_small_steps_back_are_old_images() -> None:
    used, dropped, rule = played([100.0, 100.08, 100.04, 100.16, 100.12, 100.2])
    assert used == [100.0, 100.08, 100.16, 100.2]
    assert dropped == [(100.04, Odd.LATE), (100.12, Odd.LATE)]
    assert rule.counts == {Odd.LATE: 2}
    assert played([100.0, 100.08, 100.04], late_s=0.01)[1] == [(100.04, Odd.OUTLIER)]


def test_two_swapped_first_images() -> None:
    used, dropped, _ = played([0.04, 0.0, 0.08])
    assert used == [0.04, 0.08] and dropped == [(0.0, Odd.LATE)]


def test_repeated_stamps() -> None:
    assert played([1.0, 1.0, 1.04, 1.04])[1] == [(1.0, Odd.REPEATED), (1.04, Odd.REPEATED)]
    zeros_then_clock = [0.0, 0.0, 0.0, 9e8, 9e8 + 0.04]
    used, dropped, _ = played(zeros_then_clock)
    assert used == [0.0, 9e8, 9e8 + 0.04] and len(dropped) == 2


@pytest.mark.parametrize("step_s", [5.0, 50.0])
def test_slow_camera(step_s: float) -> None:
    stamps = [100 + step_s * i for i in range(5)]
    assert played(stamps)[0] == stamps
    slowed = [100 + one for one in GOOD] + [200 + step_s * i for i in range(5)]
    assert played(slowed)[0] == slowed, "from 25 images a second to one in a while"


def test_what_is_said_of_a_dropped_image() -> None:
    rule: StampRule[str] = StampRule()
    rule.offer(10_000_000_000, "a")
    (late,) = rule.offer(9_900_000_000, "b")[1]
    assert str(late) == "its stamp, 9.900 s, lies 0.100 s before the last one: an old image"
    rule.offer(15_000_000_000 + 60 * 10**9, "c")
    (wrong,) = rule.flush()
    assert "75.000 s, lies 65.000 s after the last one, and no image followed it there" in str(wrong)


def test_video_times() -> None:
    def times(stated_s: list[float], timed: bool = True) -> list[float]:
        clock = VideoTimes(25, timed)
        return [clock.next(round(one * 1e9)) / 1e9 for one in stated_s]

    assert times([0, 0.04, 0.08]) == [0, 0.04, 0.08]
    assert times([0, 0.04, 4.28, 4.28, 4.32, 4.32]) == [0, 0.04, 4.28, 4.30, 4.32, 4.34], "pairs of one time"
    assert times([10, 10.04, 0, 0.04]) == [10, 10.04, 10.08, 10.12], "two videos in one"
    assert times([0, 0.04, 9e4, 9e4 + 0.04]) == pytest.approx([0, 0.04, 0.08, 0.12])
    assert times([-0.2, -0.16, -0.12]) == pytest.approx([0, 0.04, 0.08])
    assert times([0, 0, 0], timed=False) == [0, 0.04, 0.08]
