# SPDX-License-Identifier: Apache-2.0
"""Parameter descriptors for ROS tools: type, meaning, range."""

from __future__ import annotations

from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, ParameterType

from ..options import Option

_TYPES = {
    bool: ParameterType.PARAMETER_BOOL,
    int: ParameterType.PARAMETER_INTEGER,
    float: ParameterType.PARAMETER_DOUBLE,
    str: ParameterType.PARAMETER_STRING,
}


def descriptor(name: str, default: Any, option: Option) -> ParameterDescriptor:
    """A parameter with a lowest and a highest value has a range, of which rqt makes a slider."""
    described = ParameterDescriptor(
        name=name,
        type=_TYPES[type(default)],
        description=option.description,
        additional_constraints=option.allowed(),
        dynamic_typing=True,  # an integer for a float is fine; other types are refused by our own check
    )
    if option.low is not None and option.high is not None:
        if isinstance(default, float):
            described.floating_point_range = [FloatingPointRange(from_value=option.low, to_value=option.high)]
        else:
            described.integer_range = [IntegerRange(from_value=int(option.low), to_value=int(option.high))]
    return described
