# SPDX-License-Identifier: Apache-2.0
"""The engine cache on a real disk, and which backend is chosen on this machine."""

from __future__ import annotations

import fcntl
import logging
import os
import pwd
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from facial_coding_ros.cli import main
from facial_coding_ros.inference import InferenceSettings, ModelError, open_session, what_tensorrt_lacks
from facial_coding_ros.inference.agreement import difference_between
from facial_coding_ros.inference.engines import Engine, EngineCache, EngineKey, default_folder, read_engine
from facial_coding_ros.inference.model_files import ModelFile
from facial_coding_ros.inference.onnx_runtime import OnnxRuntimeSession

from ..conftest import REPOSITORY
from .test_session import write_card, write_model

KEY = EngineKey("small", "ab" * 32, "TensorRT 10.3.0", "Orin SM87", "fp16", 8)
ENGINE = Engine(KEY, os.urandom(5000), 0.25, "/models/small.onnx")
no_gpu = pytest.mark.skipif(not what_tensorrt_lacks(), reason="there is a GPU here")


def test_an_engine_comes_back_as_it_was(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path / "new" / "folder")
    path = cache.store(ENGINE)
    assert path is not None and cache.load(KEY) == ENGINE
    assert [file.name for file in cache.folder.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "other",
    [
        {"sha256": "cd" * 32},
        {"library": "TensorRT 10.4.0"},
        {"gpu": "Thor SM110"},
        {"precision": "fp32"},
        {"max_batch": 4},
    ],
)
def test_an_engine_serves_its_own_key_only(tmp_path: Path, other: dict[str, object]) -> None:
    cache = EngineCache(tmp_path)
    cache.store(ENGINE)
    assert cache.load(replace(KEY, **other)) is None  # type: ignore[arg-type]


def test_a_renamed_engine_of_another_gpu_is_discarded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = EngineCache(tmp_path)
    path = cache.store(ENGINE)
    other = replace(KEY, gpu="Thor SM110")
    assert path is not None
    path.rename(tmp_path / other.file_name)
    assert cache.load(other) is None
    assert "is the engine of small fp16, batch 1 to 8, TensorRT 10.3.0, Orin SM87, not of" in caplog.text
    assert not list(tmp_path.glob("*.engine"))


@pytest.mark.parametrize("damage", ["cut", "flipped", "header", "empty"])
def test_damaged_engines_are_discarded(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    cache = EngineCache(tmp_path)
    path = cache.store(ENGINE)
    assert path is not None
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[-10] ^= 1
    path.write_bytes({"cut": content[:-100], "flipped": content, "header": content[5:], "empty": b""}[damage])
    assert cache.load(KEY) is None and not path.exists()
    assert "is damaged" in caplog.text and "built anew" in caplog.text


def test_a_newer_engine_replaces_the_stale_one(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path)
    cache.store(ENGINE)
    cache.store(replace(ENGINE, key=replace(KEY, precision="fp32")))
    cache.store(replace(ENGINE, key=replace(KEY, sha256="cd" * 32), source="/other/small.onnx"))
    newer = replace(ENGINE, key=replace(KEY, library="TensorRT 10.4.0"))
    cache.store(newer)
    assert cache.load(KEY) is None
    assert cache.load(newer.key) == newer and len(cache.entries()) == 3


def test_read_only_cache_is_a_warning(tmp_path: Path) -> None:
    """In a process of its own, which gives up being root: root may write everywhere."""
    script = (
        "import os, sys\n"
        "from test.inference.test_engines import ENGINE\n"
        "from facial_coding_ros.inference.engines import EngineCache\n"
        "os.chdir(sys.argv[1])\n"
        "os.chmod('.', 0o555)\n"
        "if os.geteuid() == 0:\n"
        "    os.setuid(65534)\n"
        "cache = EngineCache('.')\n"
        "with cache.one_builder():\n"
        "    sys.exit(cache.store(ENGINE) is not None)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True)
    tmp_path.chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert "cache folder cannot be written" in done.stderr and "cannot be kept ([Errno 13]" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_cache_that_is_no_folder_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    cache = EngineCache(tmp_path / "file" / "engines")
    with cache.one_builder():
        assert cache.store(ENGINE) is None
    assert caplog.text.count("cannot be") == 2


def test_full_disk_leaves_nothing_behind(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A limit on the size of files stands for the disk: the write fails half-way."""
    script = (
        "import resource, signal, sys\n"
        "from test.inference.test_engines import ENGINE\n"
        "from facial_coding_ros.inference.engines import EngineCache\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "sys.exit(EngineCache(sys.argv[1]).store(ENGINE) is not None)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "cannot be kept" in done.stderr and not list(tmp_path.iterdir())


def test_one_builder_at_a_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    script = (
        "import fcntl, sys, time\n"
        "file = open(sys.argv[1] + '/build.lock', 'w'); fcntl.flock(file, fcntl.LOCK_EX)\n"
        "print('held', flush=True); time.sleep(0.5)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        start = time.monotonic()
        with EngineCache(tmp_path).one_builder():
            assert time.monotonic() - start > 0.2
            with (tmp_path / "build.lock").open() as file, pytest.raises(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert "Another process builds engines; waiting for it." in caplog.text


def test_default_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "facial_coding" / "engines"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_folder() == Path.home() / ".cache" / "facial_coding" / "engines"


def test_default_folder_of_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_: int) -> object:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert default_folder().is_relative_to(tempfile.gettempdir())


def test_list_and_clear(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache = EngineCache(tmp_path)
    path = cache.store(ENGINE)
    cache.store_compiled(KEY, b"kernels")
    cache.store(replace(ENGINE, key=replace(KEY, model="other"), plan=b"", refused="it differs", source="/other"))
    (tmp_path / "broken-0123.engine").write_text("no engine")
    assert path is not None and read_engine(path) == ENGINE and cache.compiled(KEY) == b"kernels"
    assert main(["engines", "list", "--cache", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "Orin SM87; 0.01 MB; difference 0.25" in shown and "refused: it differs" in shown and "is damaged" in shown
    assert main(["engines", "clear", "--cache", str(tmp_path), "--model", "small"]) == 0
    assert "1 engines removed" in capsys.readouterr().out and len(cache.entries()) == 2
    assert main(["engines", "clear", "--cache", str(tmp_path)]) == 0
    assert not list(tmp_path.iterdir())


@no_gpu
def test_verify_without_a_gpu_tells_whole_from_damaged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    EngineCache(tmp_path).store(ENGINE)
    assert main(["engines", "verify", "--cache", str(tmp_path)]) == 0
    assert "whole; not compared, " in capsys.readouterr().out
    (tmp_path / "broken-0123.engine").write_text("no engine")
    assert main(["engines", "verify", "--cache", str(tmp_path)]) == 1


@no_gpu
def test_auto_takes_onnx_runtime_and_says_why(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    session = open_session(write_model(tmp_path), InferenceSettings(threads=2))
    assert session.backend.startswith("ONNX Runtime ") and "2 threads (no TensorRT: " in session.backend
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert session.backend in caplog.text


@no_gpu
def test_tensorrt_by_name_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot run with TensorRT, which was asked for: "):
        open_session(write_model(tmp_path), InferenceSettings(backend="tensorrt"))


def test_differences_count_against_the_tolerance(tmp_path: Path) -> None:
    path = write_model(tmp_path, tolerance=0.01)
    one = OnnxRuntimeSession(ModelFile.read(path))
    assert difference_between(one, one, 8) == 0
    import onnx

    graph = onnx.load(str(path))
    weights = onnx.numpy_helper.to_array(graph.graph.initializer[1]) + 0.005
    graph.graph.initializer[1].CopyFrom(onnx.numpy_helper.from_array(weights.astype("float32"), "b"))
    moved_path = tmp_path / "moved.onnx"
    onnx.save(graph, str(moved_path))
    write_card(moved_path)
    moved = OnnxRuntimeSession(ModelFile.read(moved_path))
    # y moves by 0.005 and `doubled` by 0.01; both are larger than 1 somewhere, so in proportion.
    assert 0.1 < difference_between(moved, one, 8) < 1
