# SPDX-License-Identifier: Apache-2.0
"""TensorRT's engines on the disk: built on the device, compared with ONNX Runtime, kept until something changes.

An engine file is one line that says what it is, then the engine. It is written aside and renamed, so that it is whole
or not there.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from .model_files import one_line, write_whole

_log = logging.getLogger(__name__)

MAGIC = "facial_coding engine"
SUFFIX = ".engine"


class EngineError(ValueError):
    """An engine file that is damaged or none."""


@dataclass(frozen=True)
class EngineKey:
    """What an engine depends on; another value of any of them needs another engine.

    sha256: of the model file. library: with its version. gpu: name and compute capability.
    """

    model: str
    sha256: str
    library: str
    gpu: str
    precision: str
    max_batch: int

    @property
    def file_name(self) -> str:
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
        return f"{self.model}-{digest[:16]}{SUFFIX}"

    def __str__(self) -> str:
        return f"{self.model} {self.precision}, batch 1 to {self.max_batch}, {self.library}, {self.gpu}"


@dataclass(frozen=True)
class Engine:
    """plan: the engine itself; empty when it was refused. difference: largest to ONNX Runtime, over the allowed one.

    source: the model file it was built from. refused: why it may not be used; empty when it may.
    """

    key: EngineKey
    plan: bytes
    difference: float
    source: str
    refused: str = ""


def default_folder() -> Path:
    """facial_coding/engines in the user's cache folder; of a user without a home, in the folder of temporary files."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        cache = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    except RuntimeError:  # a container that runs under a number nobody has
        cache = Path(tempfile.gettempdir()) / f"cache-{os.getuid()}"
    return cache / "facial_coding" / "engines"


def read_engine(path: Path) -> Engine:
    """Raises EngineError when the file is damaged, OSError when it cannot be read."""
    content = path.read_bytes()
    first, _, plan = content.partition(b"\n")
    try:
        said = json.loads(first)
        if said.pop("file") != MAGIC:
            raise ValueError("it is no engine of facial_coding")
        if hashlib.sha256(plan).hexdigest() != said.pop("plan_sha256"):
            raise ValueError(f"its {len(plan)} bytes are not those that were written")
        return Engine(EngineKey(**said.pop("key")), plan, **said)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineError(f"{path} is damaged: {one_line(error)}") from None


def write_engine(path: Path, engine: Engine) -> None:
    """Raises OSError, and then leaves nothing."""
    said = {
        "file": MAGIC,
        "key": asdict(engine.key),
        "difference": engine.difference,
        "source": engine.source,
        "refused": engine.refused,
        "plan_sha256": hashlib.sha256(engine.plan).hexdigest(),
    }
    write_whole(path, json.dumps(said).encode() + b"\n" + engine.plan)


class EngineCache:
    """A folder of engines, shared by processes."""

    def __init__(self, folder: Path | str = "") -> None:
        self.folder = Path(folder).expanduser() if folder else default_folder()

    def load(self, key: EngineKey) -> Engine | None:
        """The engine of this key; None when it is not there. A damaged file is discarded, with a warning."""
        path = self.folder / key.file_name
        try:
            engine = read_engine(path)
        except FileNotFoundError:
            return None
        except (EngineError, OSError) as error:
            _log.warning("%s; it is built anew.", one_line(error))
            self._discard(path)
            return None
        if engine.key != key:
            _log.warning("%s is the engine of %s, not of %s; it is built anew.", path, engine.key, key)
            self._discard(path)
            return None
        return engine

    def discard(self, key: EngineKey) -> None:
        """Removes an engine that cannot be used after all."""
        self._discard(self.folder / key.file_name)

    def store(self, engine: Engine) -> Path | None:
        """Keeps an engine and discards those it replaces. On a full disk or a read-only folder: a warning, and None."""
        path = self.folder / engine.key.file_name
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_engine(path, engine)
        except OSError as error:
            _log.warning(
                "The engine of %s cannot be kept (%s); it is built again at the next start.", engine.key.model, error
            )
            return None
        for other_path, other in self.entries():
            if isinstance(other, Engine) and other_path != path and _replaces(engine, other):
                self._discard(other_path)
        return path

    def compiled(self, key: EngineKey) -> bytes:
        """TensorRT-RTX's runtime cache stored for an engine; empty when there is none."""
        try:
            return self._compiled_path(key).read_bytes()
        except OSError:
            return b""

    def store_compiled(self, key: EngineKey, compiled: bytes) -> None:
        """Keeps a runtime cache beside its engine."""
        if compiled and compiled != self.compiled(key):
            try:
                write_whole(self._compiled_path(key), compiled)
            except OSError as error:
                _log.warning("The compiled kernels of %s cannot be kept: %s", key.model, error)

    def entries(self) -> list[tuple[Path, Engine | EngineError]]:
        """Every engine file with its content or what is wrong with it, by name."""
        found: list[tuple[Path, Engine | EngineError]] = []
        for path in sorted(self.folder.glob("*" + SUFFIX)):
            try:
                found.append((path, read_engine(path)))
            except EngineError as error:
                found.append((path, error))
            except OSError as error:
                found.append((path, EngineError(f"{path} cannot be read: {error}")))
        return found

    def clear(self, model: str = "") -> int:
        """Removes all engines, or a model's; returns how many. Raises OSError when one cannot be removed."""
        removed = 0
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            if not model or path.name.rpartition("-")[0] == model:
                path.with_suffix(".kernels").unlink(missing_ok=True)
                path.unlink()
                removed += 1
        if not model:
            for left in self.folder.glob("*.part"):
                left.unlink(missing_ok=True)
        return removed

    @contextlib.contextmanager
    def one_builder(self) -> Iterator[None]:
        """One process builds at a time; the others wait, then find the engine there. Without a lock file: not kept."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = (self.folder / "build.lock").open("w")
        except OSError as error:
            _log.warning("The cache folder cannot be written: %s", error)
            yield
            return
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _log.info("Another process builds engines; waiting for it.")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _compiled_path(self, key: EngineKey) -> Path:
        return (self.folder / key.file_name).with_suffix(".kernels")

    def _discard(self, path: Path) -> None:
        for old in (path, path.with_suffix(".kernels")):
            try:
                old.unlink(missing_ok=True)
            except OSError as error:
                _log.warning("%s cannot be removed: %s", old, error)


def _replaces(new: Engine, old: Engine) -> bool:
    """Whether `old` is of the same file and use, from before the file or the library changed."""
    same_use = (new.key.gpu, new.key.precision, new.key.max_batch) == (
        old.key.gpu,
        old.key.precision,
        old.key.max_batch,
    )
    return same_use and new.source == old.source
