"""Options of a learner as KEY=VALUE."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def parse(options: Sequence[str]) -> dict[str, Any]:
    """KEY=VALUE pairs, values as JSON where they are that, else as text. Raises ValueError."""
    pairs = [option.partition("=") for option in options]
    if bad := [option for option, pair in zip(options, pairs, strict=True) if not (pair[0] and pair[1])]:
        raise ValueError(f"options are KEY=VALUE, such as width=32; got {bad[0]!r}")
    return {key: _value(text) for key, _, text in pairs}


def told(options: Mapping[str, Any]) -> list[str]:
    """KEY=VALUE pairs that ``parse`` reads as these options."""
    return [f"{key}={value if _plain(value) else json.dumps(value)}" for key, value in options.items()]


def _plain(value: Any) -> bool:
    """Whether it is a text that is no JSON, and needs no quotes."""
    return isinstance(value, str) and _value(value) == value


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
