# SPDX-License-Identifier: Apache-2.0
"""Benchmarks: `make bench` for what pipeline and transport cost, as ratios within one run; others by name.

python -m benchmark                         pipeline, then transport
python -m benchmark inference               one of this folder
python -m benchmark tracking speed --help   with what follows the name as its arguments
python -m benchmark compare A.json B.json   whether a change made it slower
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
USUAL = ("pipeline", "transport")


def main(words: Sequence[str]) -> int:
    name, arguments = (words[0], words[1:]) if words else ("", [])
    if name and name not in NAMES:
        print(f"{__doc__}\nThere is no benchmark {name!r}; there are: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    for each in (name,) if name else USUAL:
        sys.argv = [f"benchmark {each}", *arguments]
        try:
            runpy.run_module(f"benchmark.{each}", run_name="__main__")
        except SystemExit as ended:
            if ended.code:
                raise
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
