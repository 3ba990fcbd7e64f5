"""Where the model files are."""

from __future__ import annotations

from pathlib import Path


def share_folder(name: str) -> Path:
    """A folder of the package's data (models, config, demo, examples); from a ROS installation or from the sources.

    Raises FileNotFoundError when the package is installed without it.
    """
    sources = Path(__file__).resolve().parents[1] / name
    if (sources.parent / "package.xml").is_file():
        return sources
    from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

    try:
        return Path(get_package_share_directory("facial_coding_ros")) / name
    except PackageNotFoundError:
        raise FileNotFoundError(
            f"The {name} folder of facial_coding_ros is neither beside its sources nor in a sourced ROS workspace."
        ) from None


def model_path(name: str) -> Path:
    """A file of models/. Raises FileNotFoundError naming what is there when it is missing."""
    path = share_folder("models") / name
    if not path.is_file():
        there = ", ".join(sorted(p.name for p in path.parent.glob("*"))) or "nothing"
        raise FileNotFoundError(f"No model file {path}; the folder holds {there}.")
    return path
