# SPDX-License-Identifier: Apache-2.0
"""The installed Python package, outside the clone and without ROS: what it exports, carries and says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from numpydoc.validate import validate

import facial_coding_ros
from facial_coding_ros.cli import main

from .conftest import CLIP, REPOSITORY

# Not asked of every docstring: an extended summary, examples and references to others; and the order of sections.
LEFT_OUT = {"ES01", "EX01", "SA01"}


def test_versions_agree(capsys: pytest.CaptureFixture[str]) -> None:
    for manifest in (REPOSITORY / "package.xml", REPOSITORY / "facial_coding_msgs" / "package.xml"):
        assert ElementTree.parse(manifest).getroot().findtext("version") == facial_coding_ros.__version__
    assert re.search(rf"^{re.escape(facial_coding_ros.__version__)} \(\d{{4}}-\d\d-\d\d\)$",
                     (REPOSITORY / "CHANGELOG.rst").read_text(), re.MULTILINE)  # fmt: skip
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"facial_coding {facial_coding_ros.__version__}\n"


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, facial_coding_ros; print(sorted({'numpy', 'cv2', 'onnxruntime', 'rclpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
    assert set(facial_coding_ros.__all__) <= set(dir(facial_coding_ros))
    with pytest.raises(AttributeError, match="no attribute 'Pipelin'"):
        _ = facial_coding_ros.Pipelin  # type: ignore[attr-defined]


def exported() -> list[str]:
    """Dotted names of all that is exported, with the public methods of classes."""
    names = []
    for name in facial_coding_ros.__all__:
        value = getattr(facial_coding_ros, name)
        if name == "__version__":
            continue
        names.append(name)
        if isinstance(value, type):
            names += [f"{name}.{member}" for member, of in vars(value).items() if not member.startswith("_")
                      and (callable(of) or isinstance(of, property))]  # fmt: skip
    return names


@pytest.mark.parametrize("name", exported())
def test_docstrings_of_what_is_exported(name: str) -> None:
    """numpydoc's own checks: every parameter with its meaning, what comes back, what is raised."""
    problems = [(code, what) for code, what in validate(f"facial_coding_ros.{name}")["errors"] if code not in LEFT_OUT]
    assert not problems


@pytest.mark.slow
def test_the_module_is_the_command(tmp_path: Path) -> None:
    """`python -m facial_coding_ros` says errors in one line, as `facial_coding` does."""
    for module in ("facial_coding_ros", "facial_coding_ros.cli"):
        command = [sys.executable, "-m", module, "replay", str(tmp_path / "none.mp4"), "--out", str(tmp_path / "out")]
        run = subprocess.run(command, capture_output=True, text=True)
        assert run.returncode == 1
        assert run.stderr == f"facial_coding replay: {tmp_path / 'none.mp4'} does not exist\n"


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory, sources: Path) -> Path:
    """An environment with the package as `pip install .` puts it there, in a folder that knows nothing of the clone.

    What the package needs is lent by this environment, for speed; ROS is hidden.
    """
    folder = tmp_path_factory.mktemp("outside")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    site = next((folder / "venv" / "lib").glob("python3.*/site-packages"))
    lent = Path(np.__file__).parents[1]
    (site / "lent.pth").write_text(f"{lent}\n")
    (site / "no_ros.pth").write_text("import sys; sys.modules.update(rclpy=None, ament_index_python=None)\n")
    install = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--ignore-installed"]
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "venv" / "bin" / "python")]
    # From a copy: setuptools keeps a build folder beside the sources, whose old files would go along.
    subprocess.run([*pip, *install, str(sources)], check=True, cwd=folder)
    return folder


def run_outside(outside: Path, *words: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name in ("HOME", "LANG", "XDG_CACHE_HOME", "TMPDIR")}
    environment = kept | {"PATH": f"{outside / 'venv' / 'bin'}:/usr/bin:/bin"}
    command = [str(outside / "venv" / "bin" / words[0]), *words[1:]]
    return subprocess.run(command, cwd=outside, env=environment, capture_output=True, text=True)


IN_PYTHON = """
import facial_coding_ros, pathlib, sys
assert pathlib.Path(facial_coding_ros.__file__).is_relative_to(sys.prefix), facial_coding_ros.__file__
from facial_coding_ros import code_image, code_recording
recording = code_recording(sys.argv[1], end_s=1.0)
table = recording.table()
print(sorted(set(table["face_id"]))[:2], len(table["au12"]), table["frame"][0])
for coded in recording:
    if len(coded.faces) == 2:
        coded.save("coded.png")
        print(code_image(coded.frame.image).faces[0].aus.codes[:3])
        break
from facial_coding_ros.face_codes.definitions import typestore
print("facial_coding_msgs/msg/FaceCode" in typestore().fielddefs)
"""


@pytest.mark.slow
def test_package_works_without_clone_and_ros(outside: Path) -> None:
    run = run_outside(outside, "python", "-c", IN_PYTHON, str(CLIP))
    assert run.returncode == 0, run.stderr
    ids, au, known = run.stdout.splitlines()
    assert ids.count("'f") == 2 and int(ids.split()[-2]) > 30, ids
    assert (au, known) == ("(1, 2, 4)", "True")
    assert (outside / "coded.png").stat().st_size > 10_000
    assert (
        run_outside(outside, "facial_coding", "--version").stdout == f"facial_coding {facial_coding_ros.__version__}\n"
    )
    run = run_outside(outside, "facial_coding", "replay", str(CLIP), "--range", "0:1", "--out", "out")
    assert run.returncode == 0 and (outside / "out" / "face_codes.csv").is_file(), run.stderr
    run = run_outside(outside, "facial_coding_node")
    assert run.returncode == 1
    assert run.stderr.startswith("facial_coding: ROS 2 is not there (no ")
    assert run.stderr.count("\n") == 1
