# SPDX-License-Identifier: Apache-2.0
"""`python -m facial_coding_ros COMMAND ...`, the same as the command `facial_coding`."""

import sys

from .cli import main

sys.exit(main())
