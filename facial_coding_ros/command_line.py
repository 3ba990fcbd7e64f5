# SPDX-License-Identifier: Apache-2.0
"""What every command line of the package does alike: arguments, and errors as one line with an exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper

from .errors import UserError, missing_module


def run_command(
    name: str,
    description: str,
    add_arguments: Callable[[argparse.ArgumentParser], None],
    run: Callable[[argparse.Namespace], int],
    words: Sequence[str] | None = None,
) -> int:
    """Parses the words (else those of the process) and runs; the exit code.

    What the user can put right (UserError, OSError, a package that is not installed) is one line on stderr and gives 1,
    Ctrl-C gives 130.
    """
    parser = argparse.ArgumentParser(prog=name, description=description)
    add_arguments(parser)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # names of files need not be what the terminal can show
            stream.reconfigure(errors="backslashreplace")
    try:
        return int(run(parser.parse_args(words)))
    except UserError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(f"{name}: {missing_module(error)}", file=sys.stderr)
        return 1
    except OSError as error:  # a folder that cannot be written, a full disk
        where = f"{error.filename}: " if error.filename else ""
        print(f"{name}: {where}{error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{name}: stopped", file=sys.stderr)
        return 130
