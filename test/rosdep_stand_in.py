# SPDX-License-Identifier: Apache-2.0
"""`rosdep install` without a network: finds packages as rosdep does and fails where a key is unknown."""

from __future__ import annotations

import argparse
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def packages_under(folder: Path) -> list[Path]:
    """Like rosdep, does not look inside a package for another one."""
    if (folder / "package.xml").is_file():
        return [folder / "package.xml"]
    return [found for inside in sorted(folder.iterdir()) if inside.is_dir() for found in packages_under(inside)]


def main() -> int:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from test.test_workspace import KNOWN_KEYS

    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["install"])
    parser.add_argument("--from-paths", nargs="+", type=Path, required=True)
    parser.add_argument("--ignore-src", action="store_true")
    parser.add_argument("-y", action="store_true")
    parser.add_argument("--skip-keys", default="")
    arguments = parser.parse_args()
    roots = [ElementTree.parse(file).getroot() for path in arguments.from_paths for file in packages_under(path)]
    sources = {root.findtext("name") for root in roots}
    keys = {entry.text for root in roots for entry in root if entry.tag.endswith("depend")}
    unknown = keys - sources - KNOWN_KEYS
    if unknown or not sources:
        print(f"cannot locate rosdep definitions of {sorted(map(str, unknown))}; packages: {sources}", file=sys.stderr)
        return 1
    by_pip = {key for key in keys if str(key).endswith("-pip")} - set(arguments.skip_keys.split())
    if by_pip:
        print(f"externally-managed-environment: pip refuses {sorted(map(str, by_pip))}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
