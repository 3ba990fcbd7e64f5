# SPDX-License-Identifier: Apache-2.0
"""A node's process: started with clear errors, ended by a signal with its last messages and answers sent."""

from __future__ import annotations

import difflib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import rclpy
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args

from ..dds_profile import prepare_dds
from .stop_signals import STOP_SIGNALS

REFUSAL_S = 3.0
"""How long a process stays that could not be configured, in seconds."""
_LAST_ANSWERS_S = 0.1
_USAGE = "--ros-args [-r image:=/camera/image_raw] [-p NAME:=VALUE] [--params-file FILE.yaml]"


class StartError(RuntimeError):
    """The node cannot start, or not go on; the text says why and what to do."""


class Finished(Exception):  # noqa: N818  not an error
    """Raised in a callback by a node whose work is done; ends the process with exit code 0."""


def check_hri_msgs() -> None:
    """Raises StartError when the hri_msgs at hand is not REP-155's."""
    from hri_msgs import msg

    missing = [name for name in ("FacialActionUnits", "IdsList", "Expression") if not hasattr(msg, name)]
    if missing:
        raise StartError(
            f"the package hri_msgs at {msg.__file__} lacks {', '.join(missing)}: it is another package of that name. "
            "REP-155's comes with `apt install ros-$ROS_DISTRO-hri-msgs`; source it last."
        )


def _give_logs_a_folder() -> None:
    """ROS writes logs into the user's home and does not start without: then they go to the temporary files."""
    if os.environ.get("ROS_LOG_DIR") or os.environ.get("ROS_HOME"):
        return
    home = os.environ.get("HOME", "")
    folder = Path(home, ".ros", "log")
    try:
        if not home:
            raise FileNotFoundError("HOME is not set")
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        os.environ["ROS_LOG_DIR"] = place = str(Path(tempfile.gettempdir()) / f"ros-log-{os.getuid()}")
        print(f"ROS's logs go to {place}: {error}. Name another folder with ROS_LOG_DIR.", file=sys.stderr)


def run_node(make: Callable[[], Node], arguments: Sequence[str] | None, lifecycle: bool = False) -> int:
    """Spins a node until it is told to stop; the exit code. lifecycle: with `autostart`, configured and activated.

    The process is the node's: from the end on it no longer hears the signals that ended it.
    """
    stopping: list[int] = []
    heard = [number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]  # not so with nohup
    for number in heard:
        signal.signal(number, lambda received, _frame: stopping.append(received))
    try:
        _give_logs_a_folder()
        prepare_dds()
        # rclpy's own handlers shut the context down at once, and the farewell messages would not leave.
        rclpy.init(args=None if arguments is None else list(arguments), signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # unknown ROS arguments, no middleware
        print(f"{make.__name__}: ROS cannot start: {str(error).partition(', at /')[0].strip()}", file=sys.stderr)
        return 1
    if others := remove_ros_args(sys.argv)[1:] if arguments is None else remove_ros_args(list(arguments)):
        rclpy.try_shutdown()
        return _other_arguments(make.__name__, others)
    node: Node | None = None
    executor: SingleThreadedExecutor | None = None
    try:
        node = make()
        _warn_of_unknown_parameters(node)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        if isinstance(node, LifecycleNode) and lifecycle and node.get_parameter("autostart").value is not False:
            _start(node, executor, stopping)
        while not stopping:
            executor.spin_once(timeout_sec=0.2)
        return 0
    except Finished:
        return 0
    except (StartError, InvalidParameterTypeException, InvalidParameterValueException) as error:
        print(f"{make.__name__}: {error}", file=sys.stderr)
        return 1
    finally:
        if node is not None:
            if isinstance(node, LifecycleNode) and node._state_machine.current_state[1] != "finalized":
                node.trigger_shutdown()
                if executor is not None:
                    _send_last_answers(executor)
            node.destroy_node()
        if executor is not None:
            # Its guard condition goes before the context: rclpy would destroy it a second time when it is collected.
            executor.shutdown(timeout_sec=0)
        rclpy.try_shutdown()
        for number in heard:  # Python gives its own handlers up before the process has ended
            signal.signal(number, signal.SIG_IGN)


def _other_arguments(name: str, others: Sequence[str]) -> int:
    """Says how the program is used: what stands before --ros-args would be overheard. The exit code."""
    if others[0] in ("-h", "--help"):
        print(f"{name} takes the arguments of ROS nodes: {_USAGE}")
        return 0
    print(f"{name}: {others[0]!r} is no argument; ROS's stand behind --ros-args: {_USAGE}", file=sys.stderr)
    return 2


def _warn_of_unknown_parameters(node: Node) -> None:
    """A misspelt parameter would go unnoticed. It is no error: a file for /** may hold those of other nodes too."""
    for name in node._parameter_overrides:
        if not node.has_parameter(name) and not name.startswith("qos_overrides."):
            like = "".join(f"; perhaps {one} is meant" for one in difflib.get_close_matches(name, node._parameters, 1))
            node.get_logger().warning(f"there is no parameter {name}{like}")


def _send_last_answers(executor: SingleThreadedExecutor) -> None:
    """Whoever waits for a service is told: the answers are ready now, and leave when the executor runs."""
    end = time.monotonic() + _LAST_ANSWERS_S
    while (left_s := end - time.monotonic()) > 0:
        executor.spin_once(timeout_sec=left_s)


def _start(node: LifecycleNode, executor: SingleThreadedExecutor, stopping: Sequence[int]) -> None:
    """Configures and activates, unless told to stop meanwhile."""
    if stopping:
        return
    if node.trigger_configure() != TransitionCallbackReturn.SUCCESS:
        # What the node says of it in diagnostics reaches those who listen, whom it has yet to discover.
        end = time.monotonic() + REFUSAL_S
        while (left := end - time.monotonic()) > 0:
            executor.spin_once(timeout_sec=left)
        raise StartError("could not be configured; the reason stands above")
    if not stopping and node.trigger_activate() != TransitionCallbackReturn.SUCCESS:
        raise StartError("could not be activated; the reason stands above")


def parameter(node: Node, name: str, default: Any, description: str) -> Any:
    """Declares a parameter of a small node and reads it."""
    from rcl_interfaces.msg import ParameterDescriptor

    return node.declare_parameter(name, default, ParameterDescriptor(description=description)).value
