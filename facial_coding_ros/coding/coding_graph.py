# SPDX-License-Identifier: Apache-2.0
"""The coding models and the formulas between them: one call a frame where models/coding.onnx was made from them, else
one call each."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Protocol

import numpy as np

from ..inference import open_session
from ..inference.model_files import ModelError, ModelFile, one_line
from ..inference.onnx_runtime import on_processor
from ..inference.session import InferenceSettings, Session, fill_and_run
from ..models import share_folder
from ..types import FloatArray
from .formula import Formula
from .fusion import CODING, MODEL, is_current, with_sources

_log = logging.getLogger(__name__)

Arrays = Mapping[str, FloatArray]


class Coder(Protocol):
    """A model of fusion.CODING. session: opened when first asked for."""

    @property
    def model(self) -> ModelFile: ...

    @property
    def session(self) -> Session: ...


class CodingGraph:
    """All coding models and formulas, for all faces of a frame.

    parts: by the names of fusion.CODING. joined: False: one call each, whatever there is. Raises ModelError when a
    model cannot be used.
    """

    def __init__(
        self, parts: Mapping[str, Coder | Formula], settings: InferenceSettings | None = None, joined: bool = True
    ) -> None:
        self._settings = settings or InferenceSettings()
        self._parts = {name: parts[name] for name in CODING if name in parts}
        self._fused = self._open_fused() if joined else None
        self._sessions = {} if self._fused else {
            name: part.session for name, part in self._parts.items() if not isinstance(part, Formula)
        }  # fmt: skip
        self._most_at_once = min((s.max_batch for s in self._opened() if s.max_batch), default=0)
        self._fused_outputs: dict[frozenset[str], dict[str, dict[str, str]]] = {}

    def _open_fused(self) -> Session | None:
        """None, and the reason in the log, where the models have to run one by one."""
        path = share_folder("models") / MODEL
        if not path.is_file():
            return None
        try:
            fused = ModelFile.read(path)
            made_from = {
                name: part.sha256 if isinstance(part, Formula) else part.model.sha256
                for name, part in self._parts.items()
            }
            if not is_current(fused, made_from):
                _log.info("%s was made from other models than those in use: they run one by one", path)
                return None
            return open_session(fused, self._settings)
        except (FileNotFoundError, ModelError) as error:
            _log.warning("%s; the coding models run one by one.", one_line(error))
            return None

    @property
    def does_more_than_wanted(self) -> bool:
        """Whether a processor always computes all parts. On a GPU that is one call, and no time of the processor."""
        return self._fused is not None and on_processor(self._fused)

    @property
    def backend(self) -> str:
        """What computes the models, in words."""
        return "; ".join(dict.fromkeys(session.backend for session in self._opened()))

    def warm_up(self, *batches: int) -> None:
        """Makes everything ready for these numbers of faces."""
        for session in self._opened():
            session.warm_up(*batches)

    def run(self, inputs: Arrays, wanted: frozenset[str] = frozenset(CODING)) -> dict[str, Arrays]:
        """Outputs by part and name, (faces, ...) each, for inputs by name.

        inputs: those of fusion.INPUTS that are there. A part that lacks one of its inputs, or a part before it, is not
        among the outputs. These may be overwritten by the next call. At least one face is expected. wanted: parts that
        are needed; where each has a call of its own, only these and what they need are run.
        """
        faces = len(next(iter(inputs.values())))
        if faces <= self._most_at_once or not self._most_at_once:
            return self._run_at_once(inputs, faces, wanted)
        # More than engines were built for: max_faces was raised while running.
        parts: list[dict[str, Arrays]] = []
        for start in range(0, faces, self._most_at_once):
            end = min(start + self._most_at_once, faces)
            part = {name: values[start:end] for name, values in inputs.items()}
            outputs = self._run_at_once(part, end - start, wanted)
            parts.append({name: {key: v.copy() for key, v in values.items()} for name, values in outputs.items()})
        return {
            name: {key: np.concatenate([part[name][key] for part in parts]) for key in values}
            for name, values in parts[0].items()
        }

    def _run_at_once(self, inputs: Arrays, faces: int, wanted: frozenset[str]) -> dict[str, Arrays]:
        """In the sessions' own arrays."""
        if self._fused is None:
            return self._run_one_by_one(inputs, faces, wanted)
        outputs = fill_and_run(self._fused.bind(faces), inputs)
        given = frozenset(inputs)
        if given not in self._fused_outputs:
            there = self._parts_of(given)
            names = {part: {name.partition(".")[2]: name for name in outputs if name.startswith(part + ".")}
                     for part in there}  # fmt: skip
            self._fused_outputs[given] = names
        return {
            part: {key: outputs[name] for key, name in names.items()}
            for part, names in self._fused_outputs[given].items()
        }

    def _parts_of(self, given: frozenset[str]) -> list[str]:
        """Parts whose inputs are there."""
        there: list[str] = []
        for name in self._parts:
            sources = CODING[name].values()
            if all((source.partition(".")[0] in there) if "." in source else source in given for source in sources):
                there.append(name)
        return there

    def _run_one_by_one(self, inputs: Arrays, faces: int, wanted: frozenset[str]) -> dict[str, Arrays]:
        outputs: dict[str, Arrays] = {}
        needed = with_sources(wanted)
        for name in self._parts_of(frozenset(inputs)):
            if name not in needed:
                continue
            own = {key: _of(outputs, source) if "." in source else inputs[source]
                   for key, source in CODING[name].items()}  # fmt: skip
            part = self._parts[name]
            if isinstance(part, Formula):
                outputs[name] = part.run(own)
            else:
                outputs[name] = fill_and_run(self._sessions[name].bind(faces), own)
        return outputs

    def close(self) -> None:
        for session in self._opened():
            session.close()

    def _opened(self) -> Iterator[Session]:
        yield from (self._fused,) if self._fused else ()
        yield from self._sessions.values()


def _of(outputs: Mapping[str, Arrays], source: str) -> FloatArray:
    """An output by its name PART.OUTPUT."""
    part, _, output = source.partition(".")
    return outputs[part][output]
