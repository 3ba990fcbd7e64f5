# SPDX-License-Identifier: Apache-2.0
"""The node alone: ros2 launch facial_coding_ros facial_coding.launch.py image:=/camera/color/image_raw"""

import os
from pathlib import Path

from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchContext, LaunchDescription


def check_arguments(context: LaunchContext) -> None:
    """Raises RuntimeError, before anything starts, for an argument that the node would refuse."""
    given = context.launch_configurations
    for name in ("autostart", "use_sim_time"):
        if given[name].lower() not in ("true", "false"):
            raise RuntimeError(f"{name}:={given[name]} is neither true nor false")
    if given["mode"] not in ("", "standalone", "addon"):
        raise RuntimeError(f"mode:={given['mode']} is neither standalone nor addon")
    if not Path(given["params_file"]).is_file():
        raise RuntimeError(f"params_file:={given['params_file']}: there is no such file")


def start_node(context: LaunchContext) -> list[LifecycleNode]:
    parameters = {
        "autostart": ParameterValue(LaunchConfiguration("autostart"), value_type=bool),
        "use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool),
    }
    if mode := context.launch_configurations["mode"]:
        parameters["mode"] = mode
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
    config = PathJoinSubstitution([FindPackageShare("facial_coding_ros"), "config"])
    profile = PathJoinSubstitution([config, "fastdds_shm.xml"])
    old = os.environ.get("ROS_DISTRO") in ("humble", "jazzy")  # Fast DDS 2
    profile_variable = "FASTRTPS_DEFAULT_PROFILES_FILE" if old else "FASTDDS_DEFAULT_PROFILES_FILE"
    shared_memory = IfCondition(LaunchConfiguration("shared_memory"))
    return LaunchDescription(
        [
            DeclareLaunchArgument("image", default_value="/image", description="topic of the images (raw or its base)"),
            DeclareLaunchArgument("camera_info", default_value="/camera_info", description="topic of the calibration"),
            DeclareLaunchArgument(
                "params_file",
                default_value=PathJoinSubstitution([config, "facial_coding.yaml"]),
                description="parameters; every one is documented in config/facial_coding.yaml",
            ),
            DeclareLaunchArgument("namespace", default_value="", description="of the node; /humans stays absolute"),
            DeclareLaunchArgument("autostart", default_value="true", description="configure and activate at start"),
            DeclareLaunchArgument("use_sim_time", default_value="false", description="for bags played with --clock"),
            DeclareLaunchArgument(
                "shared_memory",
                default_value="true",
                description="large images through shared memory (Fast DDS); give the camera's process the same profile",
            ),
            DeclareLaunchArgument("mode", default_value="", description="standalone, addon; empty: as in params_file"),
            SetEnvironmentVariable(profile_variable, profile, condition=shared_memory),
            OpaqueFunction(function=check_arguments),
            OpaqueFunction(function=start_node),
        ]
    )
