# SPDX-License-Identifier: Apache-2.0
"""Whether a change made it slower, told from two results of a benchmark."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmark.compare import change, main


def _blocks(median: float, seed: int, count: int = 100) -> list[float]:
    """Ratios of blocks, with the long tail that other programs on the machine make."""
    noise = np.random.default_rng(seed)
    return list(median + noise.normal(0, 0.03, count) + noise.exponential(0.02, count))


def test_the_interval_is_that_of_scipys_bootstrap() -> None:
    before, after = _blocks(1.2, 1), _blocks(1.23, 2)
    found = change(before, after)
    expected = stats.bootstrap(
        (np.array(after), np.array(before)),
        lambda a, b, axis=-1: np.median(a, axis=axis) - np.median(b, axis=axis),
        method="percentile",
        rng=np.random.default_rng(5),
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.003)


def test_a_tenth_is_told_and_noise_is_not() -> None:
    assert change(_blocks(1.2, 1), _blocks(1.3, 2)).verdict == "slower"
    assert change(_blocks(1.3, 1), _blocks(1.2, 2)).verdict == "faster"
    same = [change(_blocks(1.2, seed), _blocks(1.2, seed + 100)).verdict for seed in range(20)]
    assert same.count("no difference beyond the noise") >= 17, "one in twenty may be told by chance"


def _result(folder: Path, name: str, median: float, seed: int) -> str:
    path = folder / name
    path.write_text(json.dumps({"machine": "here", "samples": {"1 face": _blocks(median, seed)}}))
    return str(path)


def test_command_and_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    slow, fast = _result(tmp_path, "slow.json", 1.4, 1), _result(tmp_path, "fast.json", 1.2, 2)
    assert main([fast, slow]) == 1 and "slower" in capsys.readouterr().out
    assert main([slow, fast]) == 0 and "faster" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"samples": {"a": [1, "x"]}}', '{"samples": {"1 face": [1, 2]}}'])
def test_what_is_no_result(tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = _result(tmp_path, "good.json", 1.2, 1), tmp_path / "bad.json"
    bad.write_text(content)
    assert main([good, str(bad)]) == 2
    assert "benchmark compare: " in capsys.readouterr().err
