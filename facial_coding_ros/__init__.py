"""Facial action units and expressions for social robots."""

import os

# Read when numpy is loaded. The matrices here are small: OpenBLAS's threads would wait for each other longer than they
# work (registration took five times as long beside other work), and take cores from the robot's other nodes.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Read when OpenCV is loaded. Its threads make the landmark network's input later by half, and use two cores for it.
os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
