"""Build the parts that a plan names by dotted path: a loss, a head, an adaptation, a strategy, a data set.

Only packages on an allow-list are imported (Hydra's own ``instantiate`` has only a short deny-list), and an option that
the target does not take is an error.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Protocol, get_type_hints

from pydantic import PydanticUserError, TypeAdapter, ValidationError
from torch import nn

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.adaptation import Adaptation
from fedgraft.common.interfaces.alignment import Alignment
from fedgraft.common.interfaces.codec import Codec
from fedgraft.common.interfaces.features import ReadsBackbone
from fedgraft.common.interfaces.harmoniser import Harmoniser
from fedgraft.common.interfaces.head_start import HeadStart
from fedgraft.common.interfaces.input_kind import InputKind
from fedgraft.common.interfaces.personalisation import Personalisation
from fedgraft.common.interfaces.sampler import Sampler, Synthesiser
from fedgraft.common.interfaces.strategy import FLOWER
from fedgraft.common.interfaces.test_time import Adapting
from fedgraft.common.plan import notebook
from fedgraft.common.plan.choice_names import choice_of_part
from fedgraft.common.plan.types import OURS

Wanted = type | tuple[type, ...]
KINDS: Mapping[str, Wanted] = MappingProxyType(
    {
        "input": InputKind,
        "head": nn.Module,
        "loss": nn.Module,
        "adaptation": Adaptation,
        "compression": Codec,
        "features": ReadsBackbone,
        "initial": HeadStart,
        "alignment": Alignment,
        "personal": Personalisation,
        "adapt": Adapting,
        "sampling": (Sampler, Synthesiser),
        "harmonise": Harmoniser,
    }
)
"""The class that a part must be, by the plan's section; a data set, partition or strategy is checked elsewhere."""


class Section(Protocol):
    """A section of a plan that names a part, or none."""

    @property
    def target(self) -> str | None: ...

    @property
    def options(self) -> Mapping[str, Any]: ...


def resolve(target: str, option: str, allowed: Iterable[str] = OURS, kind: type | None = None) -> Callable[..., Any]:
    """Import the class or function at a dotted path, or find a notebook's (`fedgraft.common.plan.notebook`).

    Args:
        target: ``package.module.name``.
        option: the plan's section, for the error's text.
        allowed: packages (and all below them) from which a target may come.
        kind: the class that it must be, if not that of the section's parts.

    Raises:
        PlanError: the path is outside ``allowed``, nothing of the right kind is there, or no notebook lends it here.
    """
    allowed, wanted = tuple(allowed), kind or KINDS.get(option, ())
    if notebook.is_of_a_notebook(target):
        return _lent(target, option, wanted)
    if not is_within(target, allowed):
        raise PlanError(f"{option}._target_={target} is not in an allowed package ({', '.join(allowed)})")
    module, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise PlanError(f"{option}._target_={target} can't be imported: {error}") from error
    problem = _misfit(found, wanted, allowed)
    if problem:
        raise PlanError(f"{option}._target_={target} {problem}")
    return found  # type: ignore[no-any-return]


def _lent(target: str, option: str, wanted: Wanted) -> Callable[..., Any]:
    found = notebook.find(target)
    if found is None:
        raise PlanError(
            f"{option}._target_={target} is a class of a notebook, and only that notebook's simulations have it; "
            f'give it again with parts={{"{option}": {target.rpartition(".")[2]}}}, or {notebook.TO_DO}'
        )
    problem = _other_kind(found, wanted)
    if problem:
        raise PlanError(f"{option}._target_={target} {problem}")
    return found


def _misfit(found: object, wanted: Wanted, allowed: tuple[str, ...]) -> str:
    """Why ``found`` can't be a part; ``""`` if it can. A plan from the wire must not call anything that it can name."""
    if not callable(found):
        return "is not a class or function"
    if not is_within(str(getattr(found, "__module__", "")), allowed):
        return "is only imported there; name the module that defines it"
    return _other_kind(found, wanted)


def _other_kind(found: object, wanted: Wanted) -> str:
    kinds = wanted if isinstance(wanted, tuple) else (wanted,)
    if kinds and not (inspect.isclass(found) and issubclass(found, kinds)):
        return f"is not a {' or '.join(kind.__name__ for kind in kinds)}"
    return ""


def is_within(path: str, allowed: Iterable[str]) -> bool:
    """Whether a dotted path is one of the packages, or below it."""
    return any(path == name or path.startswith(f"{name}.") for name in allowed)


def ours(section: Section, option: str) -> type:
    """The class that a section names; `object`, which does nothing, if it names none, or not one of ours or Flower's.

    A plan is read before anybody knows whose packages are allowed: what another package's class does is asked when it
    is built.
    """
    if section.target is None:
        return object
    try:
        found = resolve(section.target, option, (*OURS, FLOWER))
    except PlanError:
        return object
    return found if inspect.isclass(found) else object


def check_options(
    found: Callable[..., Any], option: str, options: Mapping[str, Any], supplied: Iterable[str] = ()
) -> list[str]:
    """A sentence for each problem with ``options`` as keyword arguments of ``found``.

    Args:
        supplied: names of arguments that FedGraft itself passes and a plan must not set.
    """
    supplied, called = set(supplied), choice_of_part(option, found, options)
    parameters = inspect.signature(found).parameters
    free = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    takes = [n for n in parameters if n not in supplied and n != "self"]
    problems = [f"{option}.{name} is set by FedGraft; remove it" for name in options if name in supplied]
    if not free:
        known = ", ".join(takes) or "none"
        unknown = (n for n in options if n not in parameters)
        problems += [f"{option}.{name} is not an option of {called}; it takes: {known}" for name in unknown]
    problems += _ill_typed(found, option, options)
    needed = (n for n in takes if parameters[n].default is inspect.Parameter.empty)
    problems += [
        f"{option}.{name} is required by {called}"
        for name in needed
        if name not in options
        and parameters[name].kind not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    ]
    return problems


def _ill_typed(found: Callable[..., Any], option: str, options: Mapping[str, Any]) -> list[str]:
    """A sentence for each option whose value does not fit the target's annotation; only types that pydantic knows are
    checked."""
    try:
        hints = get_type_hints(found.__init__ if inspect.isclass(found) else found, include_extras=True)
    except (NameError, TypeError):
        return []
    problems = []
    for name, value in options.items():
        if name not in hints or isinstance(value, dict | list):
            continue
        try:
            TypeAdapter(hints[name]).validate_python(value, strict=True)
        except ValidationError as error:
            problems.append(f"{option}.{name}={value!r}: {error.errors()[0]['msg'].lower()}")
        except PydanticUserError:
            continue
    return problems


def build(target: str, option: str, options: Mapping[str, Any], allowed: Iterable[str] = OURS, **supplied: Any) -> Any:
    """Call what ``target`` names with the plan's options, and with those of ``supplied`` that it takes.

    Raises:
        PlanError: not allowed, not importable, or an option does not fit.
    """
    found = resolve(target, option, allowed)
    parameters = inspect.signature(found).parameters
    problems = check_options(found, option, options, supplied)
    if problems:
        raise PlanError(problems)
    return found(**options, **{name: value for name, value in supplied.items() if name in parameters})


def chosen(section: Section, option: str, allowed: Iterable[str] = OURS) -> Any:
    """The part that a section names, built; ``None`` if it names none.

    Raises:
        PlanError: as `build`.
    """
    return None if section.target is None else build(section.target, option, section.options, allowed)


def takes(section: Section, option: str, name: str, allowed: Iterable[str] = OURS) -> bool:
    """Whether the part that a section names takes an argument of this name.

    Raises:
        PlanError: as `resolve`.
    """
    return section.target is not None and name in inspect.signature(resolve(section.target, option, allowed)).parameters
