# SPDX-License-Identifier: Apache-2.0
"""What a graph must not hold, read from the bytes of an ONNX file without running any of it.

Only the fields that matter are followed, by their numbers in onnx.proto3 (the ONNX specification, IR version 3 and
later); the rest is stepped over.
"""

from __future__ import annotations

from collections.abc import Iterator

# Kind of message -> field -> kind of the message in it.
_CHILDREN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_NAME_OF_TENSOR, _EXTERNAL_DATA, _DATA_LOCATION, _EXTERNAL = 8, 13, 14, 1
_KIND_OF_NODE = 4
_ENDLESS = frozenset({"Loop", "Scan", "While"})
"""Operators that repeat others as often as the graph says: 200 bytes can ask for hours."""
_DEEPEST = 32


class GraphError(ValueError):
    """A graph that is refused; one line that says why."""


def check_graph(graph: bytes) -> None:
    """Raises GraphError when weights lie outside of the file, when parts are repeated in loops, or it is no ONNX."""
    _check(memoryview(graph), "model", 0)


def _check(message: memoryview, kind: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise GraphError(f"graphs lie in graphs more than {_DEEPEST} deep")
    children = _CHILDREN.get(kind, {})
    name, external = "", False
    for field, value in _fields(message):
        if kind == "tensor":
            name = _text(value) if field == _NAME_OF_TENSOR else name
            external |= field == _EXTERNAL_DATA or (field == _DATA_LOCATION and value == _EXTERNAL)
        elif kind == "node" and field == _KIND_OF_NODE and _text(value) in _ENDLESS:
            raise GraphError(f"it holds a {_text(value)}, which could run without end; unroll it")
        if field in children and isinstance(value, memoryview):
            _check(value, children[field], depth + 1)
    if external:
        raise GraphError(
            f"the weights {name!r} lie in another file, of which the card's sha256 says nothing; save it as one file"
        )


def _text(value: int | memoryview) -> str:
    return bytes(value).decode(errors="replace") if isinstance(value, memoryview) else ""


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a protocol buffer: an integer, or the bytes of what has a length."""
    at = 0
    while at < len(message):
        key, at = _integer(message, at)
        field, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _integer(message, at)
            yield field, value
            continue
        if wire == 2:
            size, at = _integer(message, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise GraphError("it is no ONNX file, or damaged")
        if at + size > len(message):
            raise GraphError("it is no ONNX file, or cut off")
        yield field, message[at : at + size]
        at += size


def _integer(message: memoryview, at: int) -> tuple[int, int]:
    """A variable-length integer and where the next field begins."""
    value = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise GraphError("it is no ONNX file, or cut off")
