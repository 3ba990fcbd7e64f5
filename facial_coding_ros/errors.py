"""Errors for the person who can put them right, and checks that raise them early."""

from __future__ import annotations

import tempfile
from pathlib import Path


class UserError(Exception):
    """Something the user can put right; its text says what and how. Ends the command with exit code 1."""


def make_folder(folder: Path) -> None:
    """For what a training writes, made before it begins: a place that cannot be written to is told now, not when all
    is learnt. Raises UserError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UserError(f"{folder} cannot be written to ({error.strerror}); name another folder") from None
