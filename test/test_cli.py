# SPDX-License-Identifier: Apache-2.0
"""What `facial_coding` says of a command that is none."""

from __future__ import annotations

import pytest

from facial_coding_ros.cli import main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["reply", "clip.mp4"], "no command 'reply'; try replay"),
        (["train"], "no command 'train'; try train facs, "),
        (["evalute", "facs"], "no command 'evalute'; try evaluate, "),
        (["xyzzy"], "no command 'xyzzy'; see facial_coding --help"),
    ],
)
def test_a_command_that_is_none_is_answered_with_those_like_it(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2 and said in capsys.readouterr().err
