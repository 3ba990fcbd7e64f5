# SPDX-License-Identifier: Apache-2.0
"""Benchmarks: `make bench` for one table of what everything costs; parts of it and others by name.

python -m benchmark                         the table
python -m benchmark inference               one of this folder
python -m benchmark tracking speed --help   with what follows the name as its arguments
python -m benchmark compare A.json B.json   whether a change made it slower
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


def main(words: Sequence[str]) -> int:
    name, arguments = (words[0], words[1:]) if words else ("table", [])
    if name not in NAMES:
        print(f"{__doc__}\nThere is no benchmark {name!r}; there are: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    sys.argv = [f"benchmark {name}", *arguments]
    # Imported, not run as the main module: processes that it starts must find its functions.
    return int(import_module(f"benchmark.{name}").main() or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
