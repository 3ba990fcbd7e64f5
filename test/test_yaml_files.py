# SPDX-License-Identifier: Apache-2.0
"""YAML within bounds: one line for whatever is wrong, and nothing that runs for ever."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from facial_coding_ros.cli import main
from facial_coding_ros.yaml_files import YamlFileError, parsed_yaml, read_yaml_file

LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1, 2", "is no readable YAML"),
        ("[" * 2000 + "]" * 2000, "more than 32 levels"),
        ("a: " * 1 + "".join("\n" + "  " * i + "b:" for i in range(1, 200)), "more than 32 levels"),
        ("a: &a [*a]", r"line 1: an alias \(\*a\) is not read"),
        (LAUGHS, "an alias"),
        ("a: " + "9" * 6000, "is no readable YAML"),
        ("a: 2024-99-99", "is no readable YAML"),
        ("a: !!python/object/apply:os.system [ls]", "is no readable YAML"),
        ("a: \x00", "is no readable YAML"),
        ("? [a]\n: 1", "is no readable YAML"),
    ],
)
def test_bad_yaml_is_one_line(text: str, words: str) -> None:
    begin = time.monotonic()
    with pytest.raises(YamlFileError, match=words) as refused:
        parsed_yaml(text, "file.yaml")
    assert str(refused.value).startswith("file.yaml") and "\n" not in str(refused.value)
    assert time.monotonic() - begin < 5


def test_good_yaml(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: {b: [1, 2.5, yes]}")
    assert read_yaml_file(file) == {"a": {"b": [1, 2.5, True]}}


def test_parameter_files_of_all_kinds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.yaml"
    for content in (b"\xff\xfe", b"a: &a {a: *a}", b"[" * 3000, b"a: \xe9", b"", b"- 1", b"a" * (5 << 20)):
        file.write_bytes(content)
        assert main(["replay", str(tmp_path), "--params-file", str(file)]) == 1
        said = capsys.readouterr().err
        assert str(file) in said and said.count("\n") == 1, said


def test_mutated_yaml() -> None:
    """Whatever the text: a value or YamlFileError."""
    chance = random.Random(0)
    whole = (
        "/**:\n  facial_coding:\n    ros__parameters:\n      tracking: {max_faces: 2}\n      neutral:\n        a: 'x'\n"
    )
    for _ in range(400):
        text = list(whole)
        for _ in range(chance.randint(1, 5)):
            text[chance.randrange(len(text))] = chance.choice("&*!|>{}[]%@`\t\0:- \n'\"#x9")
        try:
            parsed_yaml("".join(text), "file.yaml")
        except YamlFileError as error:
            assert str(error).startswith("file.yaml")
