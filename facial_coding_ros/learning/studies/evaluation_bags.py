# SPDX-License-Identifier: Apache-2.0
"""Two bags and their labels from the demo clip: each person alone, JPEG in mcap and raw in sqlite3; into walk/.

From the repository's root: standalone/env python -m facial_coding_ros.learning.studies.evaluation_bags
"""

import csv
import shutil
from pathlib import Path

from rosbags.rosbag2 import StoragePlugin

from ...image.sources import open_source
from .recorded_bags import START_NS, write_bag


def main() -> None:
    out = Path("walk")
    frames = list(open_source("demo/two_people.mp4").frames())
    stamps = [START_NS + frame.stamp_ns for frame in frames]
    shutil.rmtree(out / "bags", ignore_errors=True)  # of the last time
    (out / "bags").mkdir(parents=True)
    write_bag(out / "bags" / "left", [f.image[:, :480] for f in frames], StoragePlugin.MCAP, True, stamps)
    write_bag(out / "bags" / "right", [f.image[:, 480:] for f in frames], StoragePlugin.SQLITE3, False, stamps)
    with open("demo/two_people.csv", newline="") as truth, (out / "labels.csv").open("w", newline="") as labels:
        rows = list(csv.DictReader(truth))
        aus = sorted({int(name[2:4]) for name in rows[0] if name.startswith("au")})
        writer = csv.writer(labels)
        writer.writerow(["recording", "frame", "person_id", *(f"au{au:02d}" for au in aus)])
        for row in rows:
            levels = [round(5 * max(float(v) for k, v in row.items() if k.startswith(f"au{au:02d}"))) for au in aus]
            writer.writerow([{"a": "left", "b": "right"}[row["person"]], row["frame"], row["person"], *levels])


if __name__ == "__main__":
    main()
