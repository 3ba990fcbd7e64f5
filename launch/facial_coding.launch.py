# SPDX-License-Identifier: Apache-2.0
"""The node alone: ros2 launch facial_coding_ros facial_coding.launch.py image:=/camera/color/image_raw"""

import os
from pathlib import Path

from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity

CONFIG = PathJoinSubstitution([FindPackageShare("facial_coding_ros"), "config"])


def check_arguments(context: LaunchContext) -> None:
    """Raises RuntimeError, before anything starts, for an argument that the node would refuse."""
    given = context.launch_configurations
    for name in ("autostart", "use_sim_time"):
        if given[name].lower() not in ("true", "false"):
            raise RuntimeError(f"{name}:={given[name]} is neither true nor false")
    if given["shared_memory"].lower() not in ("auto", "true", "false"):
        raise RuntimeError(f"shared_memory:={given['shared_memory']} is neither auto nor true nor false")
    if given["mode"] not in ("", "standalone", "addon"):
        raise RuntimeError(f"mode:={given['mode']} is neither standalone nor addon")
    if given["engagement"].lower() not in ("", "true", "false"):
        raise RuntimeError(f"engagement:={given['engagement']} is neither true nor false")
    if not Path(given["params_file"]).is_file():
        raise RuntimeError(f"params_file:={given['params_file']}: there is no such file")


def transports(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The variable that Fast DDS reads; none where the nodes choose by themselves (dds_profile.py)."""
    shared_memory = context.launch_configurations["shared_memory"].lower()
    if shared_memory == "auto":
        return []
    if shared_memory == "false":
        return [SetEnvironmentVariable("FASTDDS_BUILTIN_TRANSPORTS", "DEFAULT")]
    old = os.environ.get("ROS_DISTRO") in ("humble", "jazzy")  # Fast DDS 2
    variable = "FASTRTPS_DEFAULT_PROFILES_FILE" if old else "FASTDDS_DEFAULT_PROFILES_FILE"
    return [SetEnvironmentVariable(variable, PathJoinSubstitution([CONFIG, "fastdds_shm.xml"]))]


def start_node(context: LaunchContext) -> list[LifecycleNode]:
    parameters = {
        "autostart": ParameterValue(LaunchConfiguration("autostart"), value_type=bool),
        "use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool),
    }
    if mode := context.launch_configurations["mode"]:
        parameters["mode"] = mode
    if context.launch_configurations["engagement"]:
        parameters["engagement"] = ParameterValue(LaunchConfiguration("engagement"), value_type=bool)
    return [
        LifecycleNode(
            package="facial_coding_ros",
            executable="facial_coding_node",
            name="facial_coding",
            namespace=LaunchConfiguration("namespace"),
            output="screen",
            parameters=[LaunchConfiguration("params_file"), parameters],
            remappings=[
                ("image", LaunchConfiguration("image")),
                ("image/compressed", [LaunchConfiguration("image"), "/compressed"]),
                ("camera_info", LaunchConfiguration("camera_info")),
            ],
        )
    ]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument("image", default_value="/image", description="topic of the images (raw or its base)"),
            DeclareLaunchArgument("camera_info", default_value="/camera_info", description="topic of the calibration"),
            DeclareLaunchArgument(
                "params_file",
                default_value=PathJoinSubstitution([CONFIG, "facial_coding.yaml"]),
                description="parameters; every one is documented in config/facial_coding.yaml",
            ),
            DeclareLaunchArgument("namespace", default_value="", description="of the node; /humans stays absolute"),
            DeclareLaunchArgument("autostart", default_value="true", description="configure and activate at start"),
            DeclareLaunchArgument("use_sim_time", default_value="false", description="for bags played with --clock"),
            DeclareLaunchArgument(
                "shared_memory",
                default_value="auto",
                description="of Fast DDS; auto: what lets images through on this machine; true: large images through "
                "shared memory, for which the camera's process needs the same profile; false: as Fast DDS does it",
            ),
            DeclareLaunchArgument("mode", default_value="", description="standalone, addon; empty: as in params_file"),
            DeclareLaunchArgument(
                "engagement", default_value="", description="publish engagement_status; empty: as in params_file"
            ),
            OpaqueFunction(function=check_arguments),
            OpaqueFunction(function=transports),
            OpaqueFunction(function=start_node),
        ]
    )
