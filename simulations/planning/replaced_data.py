"""Put own cases in place of the data set of a plan, and keep everything else that the user asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from fedgraft.common.errors import PlanError
from fedgraft.simulations.planning.choices import name_of
from fedgraft.simulations.planning.frame import FrameSource
from fedgraft.simulations.planning.planned import Planned, Words
from fedgraft.simulations.planning.words import composed, option_names

_BY_SITE = "fedgraft.simulations.federation.partition.by_site"


def with_source(planned: Planned, source: FrameSource) -> Planned:
    """The same plan over other cases; ``found`` names the words and options that have no effect any more.

    A partition that the user chose stays. Otherwise the cases lie by their column ``site``; without that column the
    plan's own partition stays.

    Raises:
        PlanError: the plan was read from a file, or does not suit the cases.
        DataError: what the plan leaves open can't be found in the cases.
    """
    if planned.words is None:
        raise PlanError("source has no effect on a plan that was read from a file; make one: plan(..., source=source)")
    kept, lost = _split(planned.words, source)
    partition = planned.plan.to_dict()["partition"]
    if source.options["data.site"] is None and not _names_partition(kept) and partition["_target_"] != _BY_SITE:
        kept = replace(kept, options={"partition": partition, **kept.options})
        lost = [one for one in lost if not one.startswith("partition.")]
    made = composed(source.before(kept))
    said = f"the source takes the place of the plan's data set, so that these have no effect: {', '.join(lost)}"
    made = replace(made, whole=made.words)
    return replace(made, words=planned.words, found=(said, *made.found)) if lost else made


def _split(words: Words, source: FrameSource) -> tuple[Words, list[str]]:
    """The words and options that go with the source, and the others as text."""
    known = option_names("data", source.words, words.config_dir) - {"data._target_"}
    chosen = _names_partition(words)

    def stays(name: str) -> bool:
        if name.startswith("partition."):
            return chosen
        if name.startswith("data."):
            return name in known and name not in source.options
        return name != "data" and name not in source.options

    options = dict(_by_dotted_name(words.options))
    kept = replace(
        words,
        words=tuple(word for word in words.words if stays(name_of(word))),
        options={name: value for name, value in options.items() if stays(name)},
    )
    lost = [word for word in words.words if not stays(name_of(word))]
    return kept, [*lost, *(f"{name}={value}" for name, value in options.items() if not stays(name))]


def _names_partition(words: Words) -> bool:
    return any(name_of(word) == "partition" for word in words.words)


def _by_dotted_name(options: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The options; a mapping for a whole section that a source can replace becomes an option for each of its names."""
    for name, value in options.items():
        if name in ("data", "partition", "table") and isinstance(value, Mapping):
            yield from ((f"{name}.{inner}", one) for inner, one in value.items())
        else:
            yield name, value
