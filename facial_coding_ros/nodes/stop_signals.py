# SPDX-License-Identifier: Apache-2.0
"""What ends a node's process; without ROS, so that it is known before that is loaded."""

import signal

# Ctrl-C, a service manager, a closed terminal, Ctrl-\.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
