"""The coding models of a frame: one call where models/coding.onnx was made from them, else one call each."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Protocol

from ..models import share_folder
from ..types import FloatArray
from . import open_session
from .fusion import CODING, MODEL, Part, is_current
from .model_files import ModelFile
from .session import InferenceSettings, Session

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

    coders: by the names of fusion.CODING. Raises ModelError when a model cannot be used.
    """

    def __init__(self, coders: Mapping[str, Coder], settings: InferenceSettings | None = None) -> None:
        self._settings = settings or InferenceSettings()
        self._fused = self._open_fused({name: coder.model for name, coder in coders.items()})
        self._single = {} if self._fused else {name: coder.session for name, coder in coders.items()}

    def _open_fused(self, models: Mapping[str, ModelFile]) -> Session | None:
        path = share_folder("models") / MODEL
        if set(models) != set(CODING) or not path.is_file():
            return None
        fused = ModelFile.read(path)
        if not is_current(fused, [Part(model, CODING[name]) for name, model in models.items()]):
            _log.info("%s was made from other models than those in use: they run one by one", path)
            return None
        return open_session(path, self._settings)

    @property
    def backend(self) -> str:
        """What computes the models, in words."""
        return next(self._sessions()).backend

    def warm_up(self, *batches: int) -> None:
        """Makes everything ready for these numbers of faces."""
        for session in self._sessions():
            session.warm_up(*batches)

    def run(self, given: Mapping[str, Arrays]) -> dict[str, Arrays]:
        """Answers by model and name of the output, for inputs by model and name of the input, (faces, ...) each.

        Models that nothing is given for are left out. The answers may be overwritten by the next call. At least one
        face is expected.
        """
        if self._fused is None:
            return {name: self._single[name].run(inputs) for name, inputs in given.items()}
        faces = len(next(iter(next(iter(given.values())).values())))
        binding = self._fused.bind(faces)
        for name, inputs in given.items():
            for key, values in inputs.items():
                binding.inputs[CODING[name][key]][...] = values
        binding.run()
        answers: dict[str, dict[str, FloatArray]] = {name: {} for name in given}
        for name, values in binding.outputs.items():
            model, _, key = name.partition(".")
            if model in answers:
                answers[model][key] = values
        return dict(answers)

    def close(self) -> None:
        for session in self._sessions():
            session.close()

    def _sessions(self) -> Iterator[Session]:
        yield from (self._fused,) if self._fused else self._single.values()
