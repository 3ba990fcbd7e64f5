# SPDX-License-Identifier: Apache-2.0
"""DFECS: the Full Face Model, learnt from keypoint motions without labels (arXiv 2406.05434).

Two levels. Partial-Face Model: for each face part, dictionary learning with sparse non-negative codes. Holistic-Face
Model: non-negative matrix factorisation of the parts' codes side by side. The action units are U' = A D: the HFM's
components A times the parts' dictionaries D (in the paper's column form, U' = U A). Training only: needs scikit-learn.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import kmeans_plusplus
from sklearn.decomposition import NMF, MiniBatchDictionaryLearning
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from ...coding.dfecs.card import KIND, Card, ModelError, digest, file_of
from ...coding.dfecs.graph import INPUT, OUTPUT, write_graph
from ...coding.dfecs.layout import LAYOUT_68, Layout
from ...coding.dfecs.sparse_codes import Array, encode, quickest_admm, unit_rows
from .measures import variance_explained

# The search for a number of components fits this many motions, for this many passes: it needs the variance
# explained to a tenth of a percent, not the final dictionary.
SEARCH_MOTIONS = 1000
# scikit-learn's minibatches start a dictionary on this many motions; rounds over all with converged codes finish it.
START_MOTIONS = 2000

_ARRAYS = ("components_", "mixing_", "dictionary_", "atom_part_")


def _silent(_stage: str, _done: float) -> None:
    return None


class DFECS(TransformerMixin, BaseEstimator):
    """Data-driven facial action units.

    n_components: number of AUs; None: the smallest whose training variance explained (first form) reaches `variance`.
    n_part_components: atoms of each part, by name of the part; None: by the same rule, part by part.
    sparsity: weight alpha of the L1 penalty of the AUs' codes, as a share of the root mean square length of a training
    motion. part_sparsity: the same for the atoms of the parts. hfm_sparsity: L1 weight of the NMF's encodings
    (scikit-learn's alpha_W with l1_ratio 1). rounds: of each part's dictionary over all motions.
    progress: called with (stage, share done).

    After fit: components_ (k, d), the AUs; an AU's length is such that a code of 1 is the 99th percentile of its
    codes over the training motions that show it. mixing_ (k, atoms) = A >= 0; dictionary_ (atoms, d) = D;
    atom_part_ (atoms,) the part of each atom; alpha_: the L1 weight in the units of the motions;
    variance_explained_: of the training motions, first form, percent.
    """

    def __init__(
        self,
        n_components: int | None = 16,
        n_part_components: Mapping[str, int] | None = None,
        variance: float = 0.95,
        part_variance: float = 0.99,
        sparsity: float = 0.02,
        hfm_sparsity: float = 0.0,
        rounds: int = 15,
        part_sparsity: float = 0.02,
        layout: Layout = LAYOUT_68,
        random_state: int = 0,
        progress: Callable[[str, float], None] = _silent,
    ) -> None:
        self.n_components = n_components
        self.n_part_components = n_part_components
        self.variance = variance
        self.part_variance = part_variance
        self.sparsity = sparsity
        self.hfm_sparsity = hfm_sparsity
        self.rounds = rounds
        self.part_sparsity = part_sparsity
        self.layout = layout
        self.random_state = random_state
        self.progress = progress

    def fit(self, X: ArrayLike, y: None = None) -> DFECS:
        """Learns from motions (n, d). Raises ValueError for too few motions, a wrong shape or numbers not finite."""
        x = self._checked(X, fitting=True)
        # A part may be modelled better than the whole: the whole loses the parts' codes that NMF merges.
        dictionaries, codes = [], []
        parts = list(self.layout.parts)
        for i, part in enumerate(parts):
            self.progress(f"part {part}", i / (len(parts) + 2))
            atoms, part_codes = self._fit_part(part, x[:, self.layout.columns(part)])
            dictionaries.append(atoms)
            codes.append(part_codes)
        self.atom_part_ = np.repeat(parts, [len(d) for d in dictionaries])
        self.dictionary_ = np.zeros((len(self.atom_part_), self.layout.size))
        for part, atoms in zip(parts, dictionaries, strict=True):
            self.dictionary_[np.ix_(self.atom_part_ == part, self.layout.columns(part))] = atoms
        self.alpha_ = self.sparsity * _size(x)
        self.progress("whole face", len(parts) / (len(parts) + 2))
        self._fit_whole(x, np.hstack(codes))
        final = self._scale(x)
        self.variance_explained_ = variance_explained(x, final @ self.components_)
        self.n_features_in_ = x.shape[1]
        self.progress("done", 1.0)
        return self

    def transform(self, X: ArrayLike) -> Array:
        """Codes V (n, k) >= 0 of motions (n, d): the converged non-negative lasso over the AUs."""
        check_is_fitted(self, "components_")
        return encode(self._checked(X), self.components_, self.alpha_)

    encode = transform

    def inverse_transform(self, V: ArrayLike) -> Array:
        """Motions (n, d) of codes (n, k). Raises ValueError for another number of codes."""
        check_is_fitted(self, "components_")
        codes = np.asarray(V, np.float64)
        if codes.ndim != 2 or codes.shape[1] != len(self.components_):
            raise ValueError(f"codes have shape {codes.shape}; (n, {len(self.components_)}) is expected")
        return codes @ self.components_

    decode = inverse_transform

    def save(self, path: Path, names: Sequence[str], card: Mapping[str, Any], sample: ArrayLike) -> Card:
        """Writes NAME.npz, NAME.onnx and NAME.yaml for the 68-point scheme.

        names: one for each AU. card: further entries (what, trained_on, command, licence, metrics). sample: motions
        that decide how many steps the graph unrolls. Raises ValueError when that cannot be made exact.
        """
        check_is_fitted(self, "components_")
        if self.layout.scheme != LAYOUT_68.scheme or len(names) != len(self.components_):
            raise ValueError(
                f"a model of scheme {self.layout.scheme}, {len(self.components_)} AUs and {len(names)} names; "
                "scheme 68 and a name for each AU are expected"
            )
        path, arrays, graph = (file_of(path, ending) for ending in (".yaml", ".npz", ".onnx"))
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            arrays,
            **{name: np.asarray(getattr(self, name)) for name in _ARRAYS},
            alpha=self.alpha_,
            variance_explained=self.variance_explained_,
        )
        admm = quickest_admm(self.components_, self.alpha_, sample)
        write_graph(admm, graph)
        content = {
            "name": path.stem,
            "kind": KIND,
            **card,
            "scheme": self.layout.scheme,
            "parameters": {k: v for k, v in self.get_params().items() if k not in ("layout", "progress")},
            "inputs": {INPUT: "(faces, 136) float32, keypoint motion x0..x67 y0..y67 in DFECS's registered frame"},
            "outputs": {OUTPUT: f"(faces, {len(names)}) float32 >= 0; 1 is the 99th percentile of the AU in training"},
            "alpha": float(self.alpha_),
            "admm_steps": admm.steps,
            "names": list(names),
            "sha256": digest(arrays),
            "onnx_sha256": digest(graph),
        }
        path.write_text(yaml.safe_dump(content, sort_keys=False, width=120, allow_unicode=True))
        return Card.read(path)

    @classmethod
    def load(cls, model: str | Path) -> DFECS:
        """A saved model, by name in models/ or path. Raises FileNotFoundError or ModelError."""
        card = Card.read(model)
        try:
            with np.load(card.arrays, allow_pickle=False) as arrays:
                values = {name: arrays[name] for name in (*_ARRAYS, "alpha", "variance_explained")}
            loaded = cls(**card.content["parameters"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{card.arrays} is not a DFECS model: {error}") from None
        for name in _ARRAYS:
            setattr(loaded, name, values[name])
        loaded.alpha_ = float(values["alpha"])
        loaded.variance_explained_ = float(values["variance_explained"])
        loaded.n_features_in_ = loaded.layout.size
        return loaded

    def _checked(self, X: ArrayLike, fitting: bool = False) -> Array:
        x = np.asarray(X, np.float64)
        size = self.layout.size
        if x.ndim != 2 or x.shape[1] != size:
            raise ValueError(
                f"motions have shape {x.shape}; (n, {size}) is expected for keypoint scheme {self.layout.scheme}: "
                "x of all points, then y of all points"
            )
        if not np.isfinite(x).all():
            raise ValueError(f"{int((~np.isfinite(x)).any(1).sum())} motions hold numbers that are not finite")
        if fitting:
            wanted = self.n_components or 1
            largest = max((self.n_part_components or {"": wanted}).values())
            if len(x) < max(wanted, largest, 2):
                raise ValueError(
                    f"{len(x)} motions are fewer than the {max(wanted, largest, 2)} components to learn from them; "
                    "some thousand motions of several people are expected"
                )
            if not x.any():
                raise ValueError("all motions are zero")
            unknown = set(self.n_part_components or ()) - set(self.layout.parts)
            if unknown:
                raise ValueError(f"n_part_components names {sorted(unknown)}; parts are {list(self.layout.parts)}")
        return x

    def _fit_part(self, part: str, x: Array) -> tuple[Array, Array]:
        """Atoms (k, columns) of length 1 and codes (n, k)."""
        scale = _size(x) or 1.0
        x = x / scale
        chosen = (self.n_part_components or {}).get(part)
        count = chosen or self._part_count(x)
        atoms = self._learn_dictionary(x, count, self.rounds)
        return atoms, encode(x, atoms, self.part_sparsity, tolerance=1e-4) * scale

    def _part_count(self, x: Array) -> int:
        """The 95 % rule: no dictionary of n atoms explains more than n principal components, so start there."""
        some = x[np.random.default_rng(self.random_state).permutation(len(x))[:SEARCH_MOTIONS]]
        spectrum = np.linalg.svd(some, compute_uv=False) ** 2
        first = int(np.argmax(np.cumsum(spectrum) >= self.part_variance * spectrum.sum())) + 1
        most = min(2 * x.shape[1], len(some))
        for count in range(first, most):
            atoms = self._learn_dictionary(some, count, self.rounds)
            codes = encode(some, atoms, self.part_sparsity, tolerance=1e-4)
            if variance_explained(some, codes @ atoms) >= 100 * self.part_variance:
                return count
        return most

    def _learn_dictionary(self, x: Array, count: int, rounds: int) -> Array:
        learner = MiniBatchDictionaryLearning(
            count,
            alpha=self.part_sparsity,
            fit_algorithm="cd",
            transform_algorithm="lasso_cd",
            positive_code=True,
            batch_size=32,
            max_iter=1,
            max_no_improvement=None,
            tol=0.0,
            transform_max_iter=200,
            dict_init=self._first_atoms(x, count),
            random_state=self.random_state,
        )
        some = x[np.random.default_rng(self.random_state).permutation(len(x))[:START_MOTIONS]]
        atoms = unit_rows(_fitted(learner, some).components_)[0]
        for _ in range(rounds):
            codes = encode(x, atoms, self.part_sparsity, tolerance=1e-4)
            inner, outer = codes.T @ codes, codes.T @ x
            for j in np.flatnonzero(np.diag(inner) > 0):
                atoms[j] += (outer[j] - inner[j] @ atoms) / inner[j, j]
                atoms[j] /= max(np.linalg.norm(atoms[j]), 1e-12)
        return atoms

    def _first_atoms(self, x: Array, count: int) -> Array:
        """Motions that point apart (k-means++ on directions): an atom's sign matters here, and the default start, from
        an SVD, has none."""
        lengths = np.linalg.norm(x, axis=1)
        strong = lengths >= max(np.median(lengths), 1e-12)
        if strong.sum() < count:
            strong = lengths > 0
        directions = x[strong] / lengths[strong, None]
        if len(directions) < count:
            raise ValueError(f"{len(directions)} motions that move a part are fewer than its {count} components")
        return kmeans_plusplus(directions, count, random_state=self.random_state)[0]

    def _fit_whole(self, x: Array, codes: Array) -> None:
        if self.n_components is not None:
            self.mixing_ = self._mix(codes, self.n_components)
        else:
            first = 1
            for count in range(first, codes.shape[1] + 1):
                self.mixing_ = self._mix(codes, count)
                units = self.mixing_ @ self.dictionary_
                if variance_explained(x, encode(x, units, self.alpha_, 1e-4) @ units) >= 100 * self.variance:
                    break
        self.components_ = self.mixing_ @ self.dictionary_

    def _mix(self, codes: Array, count: int) -> Array:
        nmf = NMF(
            count,
            init="nndsvda",
            alpha_W=self.hfm_sparsity,
            alpha_H=0.0,
            l1_ratio=1.0,
            max_iter=200,
            random_state=self.random_state,
        )
        _fitted(nmf, codes / (codes.std() or 1.0))
        mixing: Array = nmf.components_
        return mixing

    def _scale(self, x: Array) -> Array:
        """Sets the AUs' order and lengths; returns the training codes."""
        codes = encode(x, self.components_, self.alpha_, tolerance=1e-6)
        strong = np.array([np.percentile(c[c > 0], 99) if (c > 0).any() else 1.0 for c in codes.T])
        # The AU that explains most comes first.
        energy = (codes**2).sum(0) * (self.components_**2).sum(1)
        order = np.argsort(-energy)
        self.mixing_ = (self.mixing_ * strong[:, None])[order]
        self.components_ = (self.components_ * strong[:, None])[order]
        return (codes / strong)[:, order]


def _size(x: NDArray[np.float64]) -> float:
    """Root mean square length of a motion."""
    return float(np.sqrt((x**2).sum(1).mean()))


def _fitted(learner: Any, x: Array) -> Any:
    """Fits without the warnings that a bounded number of inner steps brings; the outer rounds go on from there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return learner.fit(x)
