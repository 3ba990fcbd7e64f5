# SPDX-License-Identifier: Apache-2.0
"""A recording or a camera of this machine, the node, and the annotated images; with a viewer where one is installed:

ros2 launch facial_coding_ros clip.launch.py clip:=my_video.mp4 view:=rviz
"""

from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, LogInfo, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity


def check_arguments(context: LaunchContext) -> None:
    """Raises RuntimeError, before anything starts, for an argument that the clip player would refuse."""
    given = context.launch_configurations
    if given["loop"].lower() not in ("true", "false"):
        raise RuntimeError(f"loop:={given['loop']} is neither true nor false")
    try:
        usable = 0 < float(given["rate"]) < float("inf")
    except ValueError:
        usable = False
    if not usable:
        raise RuntimeError(f"rate:={given['rate']} is no number above 0")
    if given["image_rotation"] not in ("0", "90", "180", "270"):
        raise RuntimeError(f"image_rotation:={given['image_rotation']}: 0, 90, 180 or 270 is expected")
    if not (Path(given["clip"]).exists() or is_camera(given["clip"])):
        raise RuntimeError(f"clip:={given['clip']}: there is no such file or folder")


def is_camera(clip: str) -> bool:
    """Whether it is the number of a camera: digits, and no file or folder is called that."""
    return clip.isdecimal() and not Path(clip).exists()


def player(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    clip = context.launch_configurations["clip"]
    source = {"camera": int(clip)} if is_camera(clip) else {"clip": ParameterValue(clip, value_type=str)}
    return [
        Node(
            package="facial_coding_ros",
            executable="clip_player",
            namespace=LaunchConfiguration("namespace"),
            output="screen",
            parameters=[
                source
                | {
                    "topic": ParameterValue(LaunchConfiguration("topic"), value_type=str),
                    "loop": ParameterValue(LaunchConfiguration("loop"), value_type=bool),
                    "rate": ParameterValue(LaunchConfiguration("rate"), value_type=float),
                    "image_rotation": ParameterValue(LaunchConfiguration("image_rotation"), value_type=int),
                    "wait_for": 2,  # the node and the annotator
                }
            ],
            remappings=[("image", LaunchConfiguration("image")), ("camera_info", LaunchConfiguration("camera_info"))],
        )
    ]


def viewer(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """RViz, or Foxglove's bridge. Raises RuntimeError where it is not installed."""
    name = LaunchConfiguration("view").perform(context)
    if not name:
        return []
    packages = {"rviz": "rviz2", "foxglove": "foxglove_bridge"}
    if name not in packages:
        raise RuntimeError(f"view:={name}: rviz or foxglove is expected")
    package = packages[name]
    try:
        get_package_share_directory(package)
    except PackageNotFoundError:
        apt = package.replace("_", "-")
        raise RuntimeError(
            f"view:={name}: {package} is not installed: sudo apt install ros-$ROS_DISTRO-{apt}"
        ) from None
    config = Path(get_package_share_directory("facial_coding_ros")) / "config"
    if name == "rviz":
        return [Node(package=package, executable=package, arguments=["-d", str(config / "faces.rviz")])]
    how = f"Foxglove: open a connection to ws://localhost:8765 and import the layout {config / 'foxglove_layout.json'}"
    here = {"address": "127.0.0.1"}  # images of faces are for this machine
    return [Node(package=package, executable=package, output="screen", parameters=[here]), LogInfo(msg=how)]


def generate_launch_description() -> LaunchDescription:
    share = FindPackageShare("facial_coding_ros")
    arguments = ("image", "camera_info", "params_file", "namespace", "autostart")
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "clip",
                default_value=PathJoinSubstitution([share, "demo", "two_people.mp4"]),
                description="video, folder of images, bag, or the number of a camera",
            ),
            DeclareLaunchArgument("topic", default_value="", description="of the images in a bag that has several"),
            DeclareLaunchArgument("loop", default_value="true", description="play again and again"),
            DeclareLaunchArgument("rate", default_value="1.0", description="speed; 1 is the recording's own"),
            DeclareLaunchArgument(
                "image_rotation",
                default_value="0",
                description="degrees by which heads are turned in the clip, clockwise: 0, 90, 180 or 270",
            ),
            DeclareLaunchArgument("image", default_value="/image", description="topic of the images"),
            DeclareLaunchArgument("camera_info", default_value="/camera_info", description="topic of the calibration"),
            DeclareLaunchArgument(
                "params_file",
                default_value=PathJoinSubstitution([share, "config", "facial_coding.yaml"]),
                description="parameters of the node",
            ),
            DeclareLaunchArgument("namespace", default_value="", description="of the nodes; /humans stays absolute"),
            DeclareLaunchArgument("autostart", default_value="true", description="configure and activate at start"),
            OpaqueFunction(function=check_arguments),
            DeclareLaunchArgument("view", default_value="", description="rviz or foxglove; empty: none"),
            OpaqueFunction(function=viewer),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(Path(__file__).with_name("facial_coding.launch.py"))),
                launch_arguments={name: LaunchConfiguration(name) for name in arguments}.items(),
            ),
            OpaqueFunction(function=player),
            Node(
                package="facial_coding_ros",
                executable="annotator",
                namespace=LaunchConfiguration("namespace"),
                output="screen",
                remappings=[("image", LaunchConfiguration("image")), ("face_codes", "facial_coding/face_codes")],
            ),
        ]
    )
