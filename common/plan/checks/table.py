"""Checks of ``table``, by itself and together with other sections."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from fedgraft.common import tasks
from fedgraft.common.plan.data_sections import (
    LARGEST,
    MOST_CATEGORIES,
    MOST_TEXT,
    PREFIX,
    DataSection,
    TableSection,
)


def table_problems(table: TableSection) -> list[str]:
    """One sentence for each problem of the section itself."""
    columns = Counter((*table.numeric, *table.categorical))
    problems = [f"table: column {name} is named {times} times" for name, times in columns.items() if times > 1]
    if not columns:
        problems.append("table names no column; list them in table.numeric and table.categorical")
    if table.indicate_missing and not table.numeric:
        problems.append("table.indicate_missing has no effect without numeric columns; set it to false")
    given: dict[str, Mapping[str, Any]] = {
        "means": table.means,
        "deviations": table.deviations,
        "vocabulary": table.vocabulary,
    }
    if table.statistics == "federated":
        filled = [f"table.{name}" for name, value in given.items() if value]
        problems += [f"{name} has no effect with table.statistics=federated; leave it empty" for name in filled]
        return problems
    if table.min_count != 1:
        problems.append(
            "table.min_count must be 1 with table.statistics=plan: no site sends statistics, so that it has no effect"
        )
    for name, value in given.items():
        problems += _covers(name, value, table.categorical if name == "vocabulary" else table.numeric)
    problems += [
        f"table.means.{name} must be a number of at most {LARGEST:g} in magnitude"
        for name, mean in table.means.items()
        if not abs(mean) <= LARGEST
    ]
    problems += [
        f"table.deviations.{name} must lie between {1 / LARGEST:g} and {LARGEST:g}"
        for name, deviation in table.deviations.items()
        if not (math.isfinite(deviation) and 1 / LARGEST <= deviation <= LARGEST)
    ]
    for name, words in table.vocabulary.items():
        problems += _vocabulary(name, words, table.missing)
    return problems


def _covers(name: str, given: Mapping[str, Any], columns: tuple[str, ...]) -> list[str]:
    lacking = [column for column in columns if column not in given]
    surplus = [column for column in given if column not in columns]
    problems = []
    if lacking:
        problems.append(
            f"table.{name} lacks {', '.join(lacking)}: table.statistics=plan needs it of each column; "
            "give it, or use table.statistics=federated"
        )
    if surplus:
        problems.append(
            f"table.{name} is given for {', '.join(surplus)}, which the plan does not list as such a column"
        )
    return problems


def _vocabulary(name: str, words: tuple[str, ...], missing: tuple[str, ...]) -> list[str]:
    where = f"table.vocabulary.{name}"
    if not words:
        return [f"{where} is empty: the column has no effect; remove it from table.categorical"]
    if len(words) > MOST_CATEGORIES or any(len(word) > MOST_TEXT for word in words):
        return [f"{where} must have at most {MOST_CATEGORIES} categories of at most {MOST_TEXT} characters"]
    problems = [f"{where} names a category twice"] if len(set(words)) < len(words) else []
    never = any(word != word.strip() or not word or word in missing for word in words)
    if never:
        problems.append(f"{where} names a category that no cell can be: it is missing, or has white space around it")
    return problems


def table_contradictions(plan: Any) -> list[str]:
    """A sentence for each problem of ``table`` and of the sections that depend on it; ``plan`` has those that could be
    read."""
    table: TableSection | None = getattr(plan, "table", None)
    backbone: Any = getattr(plan, "backbone", None)
    problems = [] if table is None else table_problems(table)
    kind = getattr(plan, "input", None)
    if kind is not None and kind.target is not None:  # whether its backbone suits it, a kind says itself
        if table is not None:
            problems.append(f"table has no effect with input._target_={kind.target}; remove one of them")
        return problems
    tabular = backbone is not None and backbone.name.startswith(PREFIX)
    if backbone is not None and not tabular:
        problems += [f"backbone.{name} is not an option" for name in backbone.options]
        problems += ["backbone.channels must be 1 or 3 for images"] if backbone.channels is None else []
    if tabular and table is None:
        problems.append(
            f"backbone.name={backbone.name} needs a table: say in `table` what its columns are; for images use "
            "backbone=timm"
        )
    if table is not None and backbone is not None and not tabular:
        problems.append(
            f"backbone.name={backbone.name} takes images, and the plan has a table; "
            "use backbone=identity, mlp, resnet_table or ft_transformer"
        )
    if tabular:
        problems += [text for wrong, text in _TABULAR if wrong(backbone)]
    if table is not None:
        problems += _with_other_sections(plan, table, backbone)
    return problems


_TABULAR: tuple[tuple[Callable[[Any], bool], str], ...] = (
    (lambda b: b.channels is not None, "backbone.channels has no effect on a table; set it to null"),
    (
        lambda b: b.keep_as != "float32",
        "backbone.keep_as=float16 can't hold a table's codes and numbers; set it to float32",
    ),
    (
        lambda b: b.name == f"{PREFIX}identity" and b.freeze != "all",
        "backbone.freeze has no effect on backbone=identity, which has nothing to train; set it to all",
    ),
    (
        lambda b: b.name == f"{PREFIX}identity" and b.pretrained,
        "backbone.pretrained=true has no effect on backbone=identity, which has no weights; set it to false",
    ),
    (
        lambda b: b.freeze == "all" and any("dropout" in name and value for name, value in b.options.items()),
        "the backbone's dropout has no effect with backbone.freeze=all; set backbone.dropout (and the like) to 0",
    ),
)


def _with_other_sections(plan: Any, table: TableSection, backbone: Any) -> list[str]:
    problems = []
    augment, head, data = (getattr(plan, name, None) for name in ("augment", "head", "data"))
    if augment is not None and augment.views > 1:
        problems.append("augment.views above 1 has no meaning for a table; use augment=none")
    identity = backbone is not None and backbone.name == f"{PREFIX}identity"
    if identity and head is not None and head.options.get("normalise") is True:
        problems.append(
            "head.normalise=true would scale each case by its own numbers, so that backbone=identity is no logistic "
            "or Cox model; set head.normalise=false (head=plain)"
        )
    if data is not None:
        problems += _with_data(data, table)
    return problems


def _with_data(data: DataSection, table: TableSection) -> list[str]:
    problems = []
    if data.image_size is not None:
        problems.append("data.image_size has no effect on a table; set it to null")
    predicted = tasks.of(data).manifest_columns
    leaking = [name for name in (*table.numeric, *table.categorical) if name in predicted]
    if leaking:
        problems.append(
            f"table: {', '.join(leaking)} is what data.task={data.task} predicts; remove it from the columns"
        )
    return problems
