"""``against``: the words of a study's rivals, as they are typed, and what the rivals are called.

``against=[strategy=fedprox,adaptation=ssf features=last]`` on a command line: commas between rivals, spaces between the
words of one. Hydra's grammar wants quotes about such a value (``=`` and spaces have a use there), and shells take them
away; `quoted` puts them back.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.choice_names import choice_of
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.planning.choices import name_of

AGAINST, REFERENCE = "against", "reference"
AS_GIVEN = "the plan"
_CLOSING = {"[": "]", "(": ")", "{": "}"}
_QUOTES = "'\""
_QUOTED = re.compile(r"""'([^'\\]|\\.)*'|"([^"\\]|\\.)*\"""")


@dataclass(frozen=True)
class Rival:
    """Another recipe for the same cases.

    Attributes:
        name: what it is called: its words, without what all rivals have in common.
        words: as they were typed.
        plan: composed from the words of the recipe, with these in place of those that set the same.
        without: words of the recipe that have no place in it, since they belong to a part that it replaces.
    """

    name: str
    words: tuple[str, ...]
    plan: Plan
    without: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return " ".join(self.words)


def quoted(word: str) -> str:
    """The word; the values of `AGAINST` and `REFERENCE` with the quotes that Hydra's grammar needs."""
    name, _, value = word.partition("=")
    if name == REFERENCE and "=" in value and value[0] not in _QUOTES:
        return f"{name}={_in_quotes(value)}"
    if name != AGAINST or "=" not in value:
        return word
    outer = _at_commas(value) or []
    lists = outer if outer and all(map(_is_list, outer)) else [value]  # several are a sweep
    inner = [_at_commas(one[1:-1] if _is_list(one) else one) for one in lists]
    found = [f"[{','.join(map(_in_quotes, parts))}]" for parts in inner if parts is not None]
    return f"{name}={','.join(found)}" if len(found) == len(inner) else word


def _is_list(text: str) -> bool:
    return text.startswith("[") and text.endswith("]")


def _at_commas(text: str) -> list[str] | None:
    """The parts between commas that stand in no brackets or quotes; ``None`` if these do not match."""
    parts, closing, quote = [""], list[str](), ""
    for before, sign in zip(f" {text}", text, strict=False):
        if quote:
            quote = "" if sign == quote and before != "\\" else quote
        elif sign in _QUOTES:
            quote = sign
        elif sign in _CLOSING:
            closing.append(_CLOSING[sign])
        elif sign in _CLOSING.values():
            if not closing or closing.pop() != sign:
                return None
        elif sign == "," and not closing:
            parts.append("")
            continue
        parts[-1] += sign
    return None if closing or quote else [part.strip() for part in parts]


def _in_quotes(part: str) -> str:
    if _QUOTED.fullmatch(part):
        return part
    escaped = part.replace("'", "\\'")
    return f"'{escaped}'"


def split_words(text: str) -> tuple[str, ...]:
    """The words of a rival, as a shell would separate them.

    Raises:
        PlanError: there is none, or a quote has no end.
    """
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise PlanError(f"a quote has no end ({error})") from error
    if not words:
        raise PlanError("it has no word; write what the rival replaces, as strategy=fedprox")
    return words


def called(
    rivals: Sequence[Sequence[str]], plan: Plan, groups: Collection[str], taken: Collection[str]
) -> tuple[str, list[str]]:
    """What the recipe itself is called beside its rivals, and each of these: what all name first is left out.

    ``strategy=fedprox`` and ``strategy=fedadam strategy.eta=0.1`` are ``fedprox`` and ``fedadam eta=0.1`` beside
    ``fedavg``. Rivals that name different things first keep all their words, beside `AS_GIVEN`.

    Args:
        rivals: the words of each.
        taken: names that nothing else may have.
    """
    whole = [" ".join(words) for words in rivals]
    firsts = {name_of(words[0]) for words in rivals}
    first = next(iter(firsts))
    own = _own(first, plan, first in groups) if len(firsts) == 1 else None
    if own is None:
        return AS_GIVEN, whole
    short = [
        " ".join([_first(words[0], first in groups), *(_short(word, first) for word in words[1:])]) for words in rivals
    ]
    if len({*short, own, *taken}) < len(short) + 1 + len(taken):
        return AS_GIVEN, whole
    return own, short


def _own(first: str, plan: Plan, is_group: bool) -> str | None:
    """What the plan itself says where its rivals say something else; ``None`` if it can't be said in a word."""
    found: Any = plan.to_dict()
    for part in first.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    if not is_group:
        return None if found is None or isinstance(found, Mapping | list) else f"{first.rpartition('.')[2]}={found}"
    if not isinstance(found, Mapping) or not {"_target_", "name"} & set(found):
        return None
    target = found.get("_target_", found.get("name"))
    return f"{first}=none" if target is None else choice_of(first, target, found)


def _first(word: str, is_group: bool) -> str:
    name, _, value = word.partition("=")
    return value if is_group and value != "none" else word if is_group else f"{name.rpartition('.')[2]}={value}"


def _short(word: str, group: str) -> str:
    return word.lstrip("+").removeprefix(f"{group}.")
