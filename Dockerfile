# SPDX-License-Identifier: Apache-2.0
# A robot's container: ROS 2, the message packages, the node. From the root of the repository:
#
#     docker build -t facial_coding .
#     docker run --rm --network host --ipc host facial_coding image:=/camera/color/image_raw
#
# --ipc host shares the camera's shared memory. Without it give --shm-size 512m: Docker's /dev/shm of 64 MiB holds
# hardly twenty images of 1280x720. Another distribution: --build-arg ROS_DISTRO=kilted
ARG ROS_DISTRO=jazzy
FROM ros:${ROS_DISTRO}-ros-base

RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-venv python3-vcstool git \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /ws
COPY . src/facial_coding_ros
SHELL ["/bin/bash", "-c"]

# The README's steps. hri_msgs is not in Kilted's distribution.
RUN if [ "$ROS_DISTRO" = kilted ]; then vcs import src < src/facial_coding_ros/facial_coding.repos; fi \
    && apt-get update \
    && rosdep update \
    && rosdep install --from-paths src src/facial_coding_ros/facial_coding_msgs --ignore-src -y \
        --skip-keys "python3-mediapipe-pip python3-onnxruntime-pip python3-rosbags-pip" \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv --system-site-packages venv \
    && . venv/bin/activate \
    && pip install --no-cache-dir -r src/facial_coding_ros/requirements-robot.txt
RUN . /opt/ros/$ROS_DISTRO/setup.bash \
    && . venv/bin/activate \
    && python3 -m colcon build --base-paths src src/facial_coding_ros/facial_coding_msgs

# As nobody in particular, with a home that can be written: a landmark network is converted into it at the first start.
RUN useradd --create-home robot
USER robot
ENTRYPOINT ["/bin/bash", "-c", ". /ws/install/setup.bash && exec ros2 launch facial_coding_ros facial_coding.launch.py \"$@\"", "--"]
