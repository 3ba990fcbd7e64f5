# SPDX-License-Identifier: Apache-2.0
"""REP-155 from camera to persons, with what is installed of ROS4HRI; docs/ros4hri.md says who publishes what.

ros2 launch facial_coding_ros ros4hri.launch.py image:=/camera/color/image_raw camera_info:=/camera/color/camera_info

With hri_face_detect we add to its faces (mode addon), without it we track faces ourselves (mode standalone); engagement
is hri_engagement's where that is installed, else ours.
"""

from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription, LogInfo, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import SetRemap
from launch_ros.substitutions import FindPackageShare

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity

OTHERS = {
    "hri_face_detect": "face_detect.launch.py",
    "hri_person_manager": "person_manager.launch.py",
    "hri_engagement": "hri_engagement.launch.py",
}
"""Packages of ROS4HRI and the launch file of each, in the order of the data."""


def installed(package: str) -> Path | None:
    """The launch file of a package of ROS4HRI; None where it is not installed."""
    try:
        file = Path(get_package_share_directory(package)) / "launch" / OTHERS[package]
    except PackageNotFoundError:
        return None
    return file if file.is_file() else None


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    wanted = [name for name in OTHERS if context.launch_configurations[name].lower() != "false"]
    files = {name: file for name in wanted if (file := installed(name)) is not None}
    actions: list[LaunchDescriptionEntity] = [
        LogInfo(msg=f"{name}: {'started' if name in files else 'left out' if name not in wanted else 'not installed'}")
        for name in OTHERS
    ]
    mode = "addon" if "hri_face_detect" in files else "standalone"
    ours = Path(__file__).with_name("facial_coding.launch.py")
    arguments = {name: LaunchConfiguration(name) for name in ("image", "camera_info", "params_file")} | {"mode": mode}
    if "hri_engagement" in files:
        arguments["engagement"] = "false"
    actions.append(
        GroupAction(
            [IncludeLaunchDescription(PythonLaunchDescriptionSource(str(ours)), launch_arguments=arguments.items())]
        )
    )
    for file in files.values():
        actions.append(
            GroupAction(
                [
                    SetRemap("image", LaunchConfiguration("image")),
                    SetRemap("camera_info", LaunchConfiguration("camera_info")),
                    IncludeLaunchDescription(PythonLaunchDescriptionSource(str(file))),
                ]
            )
        )
    return actions


def generate_launch_description() -> LaunchDescription:
    config = PathJoinSubstitution([FindPackageShare("facial_coding_ros"), "config", "facial_coding.yaml"])
    return LaunchDescription(
        [
            DeclareLaunchArgument("image", default_value="/image", description="topic of the images"),
            DeclareLaunchArgument("camera_info", default_value="/camera_info", description="topic of the calibration"),
            DeclareLaunchArgument("params_file", default_value=config, description="parameters of facial_coding"),
            *(
                DeclareLaunchArgument(name, default_value="true", description=f"start {name} where it is installed")
                for name in OTHERS
            ),
            OpaqueFunction(function=start),
        ]
    )
