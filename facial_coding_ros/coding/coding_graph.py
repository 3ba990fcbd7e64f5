# SPDX-License-Identifier: Apache-2.0
"""The coding models of a frame: one call where models/coding.onnx was made from them, else one call each."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from ..inference import open_session
from ..inference.model_files import ModelError, ModelFile, one_line
from ..inference.session import InferenceSettings, Session, fill_and_run
from ..models import share_folder
from ..types import FloatArray
from .fusion import CODING, MODEL, Part, is_current

_log = logging.getLogger(__name__)

Arrays = Mapping[str, FloatArray]


class Coder(Protocol):
    """A stage that runs one of fusion.CODING. session: opened when first asked for."""

    @property
    def model(self) -> ModelFile: ...

    @property
    def session(self) -> Session: ...


class CodingGraph:
    """All coding models, for all faces of a frame.

    coders: by the names of fusion.CODING. alone: of these, those that their stage runs by itself in each frame; they
    are made ready with the others. Raises ModelError when a model cannot be used.
    """

    def __init__(
        self, coders: Mapping[str, Coder], settings: InferenceSettings | None = None, alone: Sequence[str] = ()
    ) -> None:
        self._settings = settings or InferenceSettings()
        self._fused = self._open_fused({name: coder.model for name, coder in coders.items()})
        needed = alone if self._fused else coders
        self._single = {name: coder.session for name, coder in coders.items() if name in needed}
        self._most_at_once = min((s.max_batch for s in self._sessions() if s.max_batch), default=0)

    def _open_fused(self, models: Mapping[str, ModelFile]) -> Session | None:
        """None, and the reason in the log, where the models have to run one by one."""
        path = share_folder("models") / MODEL
        if set(models) != set(CODING) or not path.is_file():
            return None
        try:
            fused = ModelFile.read(path)
            if not is_current(fused, [Part(model, CODING[name]) for name, model in models.items()]):
                _log.info("%s was made from other models than those in use: they run one by one", path)
                return None
            return open_session(fused, self._settings)
        except (FileNotFoundError, ModelError) as error:
            _log.warning("%s; the coding models run one by one.", one_line(error))
            return None

    @property
    def backend(self) -> str:
        """What computes the models, in words."""
        return "; ".join(dict.fromkeys(session.backend for session in self._sessions()))

    def warm_up(self, *batches: int) -> None:
        """Makes everything ready for these numbers of faces."""
        for session in self._sessions():
            session.warm_up(*batches)

    def run(self, inputs: Mapping[str, Arrays]) -> dict[str, Arrays]:
        """Outputs by model and name, for inputs by model and name of the input, (faces, ...) each.

        What a model takes from an earlier one (fusion.CODING) is not among its inputs. Models that are not named are
        left out. The outputs may be overwritten by the next call. At least one face is expected.
        """
        faces = next(len(values) for one in inputs.values() for values in one.values())
        if faces <= self._most_at_once or not self._most_at_once:
            return self._run_at_once(inputs, faces)
        # More than engines were built for: max_faces was raised while running.
        parts: list[dict[str, Arrays]] = []
        for start in range(0, faces, self._most_at_once):
            end = min(start + self._most_at_once, faces)
            part = {name: {key: v[start:end] for key, v in one.items()} for name, one in inputs.items()}
            outputs = self._run_at_once(part, end - start)
            parts.append({name: {key: v.copy() for key, v in values.items()} for name, values in outputs.items()})
        return {
            name: {key: np.concatenate([part[name][key] for part in parts]) for key in values}
            for name, values in parts[0].items()
        }

    def _run_at_once(self, inputs: Mapping[str, Arrays], faces: int) -> dict[str, Arrays]:
        """In the sessions' own arrays."""
        if self._fused is None:
            outputs: dict[str, Arrays] = {}
            for name, own in inputs.items():
                passed_on = {key: _of(outputs, source) for key, source in CODING[name].items() if "." in source}
                outputs[name] = fill_and_run(self._single[name].bind(faces), {**passed_on, **own})
            return outputs
        named = {CODING[name][key]: values for name, own in inputs.items() for key, values in own.items()}
        by_model: dict[str, dict[str, FloatArray]] = {name: {} for name in inputs}
        for name, values in fill_and_run(self._fused.bind(faces), named).items():
            model, _, key = name.partition(".")
            if model in by_model:
                by_model[model][key] = values
        return dict(by_model)

    def close(self) -> None:
        for session in self._sessions():
            session.close()

    def _sessions(self) -> Iterator[Session]:
        yield from (self._fused,) if self._fused else ()
        yield from self._single.values()


def _of(outputs: Mapping[str, Arrays], source: str) -> FloatArray:
    """An output by its name MODEL.OUTPUT."""
    model, _, output = source.partition(".")
    return outputs[model][output]
