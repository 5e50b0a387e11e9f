"""YAML that a person wrote, with what is wrong in it said by line: above all a comma where a number has its point."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from fedgraft.common.errors import PlanError

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""By libyaml, where PyYAML was built with it (its wheels are): a plan in a millisecond, where Python takes twenty;
writing and reading the files of a thousand simulated sites in one second in the place of ten."""
_COMMA = re.compile(r"[-+]?\d+,\d+(?:[eE][-+]?\d+)?")
_WHOLE = re.compile(r"[-+]?\d+")
_MAYBE = re.compile(r"\d,\d")


def plain_yaml(text: str, path: Path) -> Any:
    """The content of a plan's file.

    Args:
        path: for an error's text.

    Raises:
        PlanError: it is not YAML, or numbers in it have decimal commas.
    """
    try:
        found = _read(text)
        if _MAYBE.search(text) and (problems := [f"{path}, {one}" for one in _commas(yaml.compose(text, LOADER))]):
            raise PlanError(problems)
    except yaml.YAMLError as error:
        raise PlanError(f"plan file {path} is not valid YAML: {error}") from error
    return found


def _read(text: str) -> Any:
    try:
        return yaml.load(text, LOADER)
    except yaml.YAMLError:
        return yaml.safe_load(text)  # which says more of what is wrong


def _commas(node: yaml.Node | None) -> Iterator[str]:
    """A sentence for each value of a mapping that is a number with a comma. Between braces YAML reads ``{lr: 0,01}`` as
    a 0 and a key without a value."""
    if isinstance(node, yaml.SequenceNode):
        for one in node.value:
            yield from _commas(one)
    if not isinstance(node, yaml.MappingNode):
        return
    for place, (key, value) in enumerate(node.value):
        written = str(value.value) if isinstance(value, yaml.ScalarNode) and not value.style else ""
        for after, nothing in node.value[place + 1 : place + 2]:
            if nothing.value == "" and after.start_mark.index == value.end_mark.index + 1:
                written += f",{after.value}" if _WHOLE.fullmatch(written) else ""
        if _COMMA.fullmatch(written):
            name, point = key.value, written.replace(",", ".")
            line = key.start_mark.line + 1
            yield f"line {line}: `{name}: {written}` has a comma in a number; write `{name}: {point}`, with a point"
        yield from _commas(value)
