"""Infer from the cases what a plan leaves open: the classes, who splits the cases, and whether they are images or rows.

A plan leaves an option open with ``null``, as ``conf/data/manifest.yaml`` does. The inferred value is filled in before
the plan is checked, so it is written to ``plan.yaml``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml

from fedgraft.client.cohort.case import Case
from fedgraft.common import tasks
from fedgraft.common.errors import DataError, PlanError
from fedgraft.simulations.datasets.source import Source
from fedgraft.simulations.datasets.suggestion import cell_problems, images_hint, suggestion

USUAL = {"backbone": "tf_efficientnet_lite0", "head": "linear", "train": "sgd", "strategy": "fedavg"}
OF_TABLES = {"backbone": "identity", "head": "plain", "train": "sgd_table", "strategy": "fedadam"}
"""Members that replace the plan's defaults (`USUAL`) if the cases are a table and nothing else was chosen."""
MANIFEST = "fedgraft.simulations.datasets.manifest.manifest"
OWN = {MANIFEST: "manifest", "fedgraft.simulations.datasets.folders.folders": "folders"}
"""Data sets of one's own, and their files in ``conf/data``."""
FRACTIONS = ("val_fraction", "test_fraction")
MOST_CLASSES = 50
_CHOICE = {"backbone": "name", "head": "_target_", "train": "optimizer", "strategy": "_target_"}


@dataclass(frozen=True)
class Found:
    """``raw``: a plan's plain data, filled in; ``sentences``: what was inferred, in words."""

    raw: dict[str, Any]
    sentences: tuple[str, ...] = ()


def leaves_open(raw: Mapping[str, Any]) -> bool:
    """Whether a plan's plain data leaves something to be inferred.

    Whether cases are images or rows of a table is never said for data sets of one's own (`OWN`).
    """
    data, table = raw.get("data"), raw.get("table")
    if not isinstance(data, Mapping) or not {"classes", "test"} <= set(data) or data.get("_target_") is None:
        return False
    if data["_target_"] in OWN:
        return True
    columns = (table.get("numeric"), table.get("categorical")) if isinstance(table, Mapping) else ((), ())
    return None in (data["classes"], data["test"], *columns)


def find(raw: Mapping[str, Any], load: Callable[[Mapping[str, Any]], Source], chosen: Collection[str] = ()) -> Found:
    """Fill in what a plan leaves open.

    Args:
        raw: the plan's plain data.
        load: makes the data set of the plan's ``data`` section.
        chosen: groups and options that the user named (``strategy``, ``train.lr``): they stay, also where they are as
            usual.

    Raises:
        PlanError: a value can't be inferred; the message says what to write.
        DataError: the data set can't be loaded, or is wrong.
    """
    if not leaves_open(raw):
        return Found(dict(raw))
    _require_task(raw["data"].get("task"))
    data = dict(raw["data"])
    if isinstance(data["classes"], list | tuple):
        data["classes"] = [str(one) if isinstance(one, int | float) else one for one in data["classes"]]
    source = load(data)
    sentences: list[str] = []
    if data["classes"] is None:
        data["classes"], said = _classes(data, source.cases)
        sentences += said
    given = all(case.split is not None for case in source.cases)
    if data["test"] is None and given:
        sentences.append("train, val and test are as the manifest's `split` says")
    if data["test"] is None:
        data["test"] = "given" if given else "sites"
    if data["test"] == "given" and given:
        data |= _no_fractions(data)
    filled = {**raw, "data": data}
    if "table" not in raw:
        return Found(filled, tuple(sentences))
    if _says_itself(raw):
        return Found({name: section for name, section in filled.items() if name != "table"}, tuple(sentences))
    if not all(case.in_a_table for case in source.cases):
        return Found(_of_images(filled), tuple(sentences))
    groups = (group for group in USUAL if group not in chosen and isinstance(raw.get(group), Mapping))
    replaced = {group: _chosen(group, raw[group], chosen) for group in groups}
    return Found(_of_table(filled, source.cases, replaced), (*sentences, _said_of_table(filled, replaced)))


def _require_task(task: object) -> None:
    """Check the task first, since all that is open depends on it."""
    if task not in tasks.TASKS:
        raise PlanError(
            f"data.task={task}: there is no such task; choose one of {', '.join(tasks.TASKS)} (a number can't be "
            "predicted, except the time to an event: survival; ordered grades are classes)"
        )


def _says_itself(raw: Mapping[str, Any]) -> bool:
    """Whether the plan names a kind of input, which says how cases are read, and no columns of a table."""
    table, kind = raw["table"], raw.get("input")
    chosen = isinstance(kind, Mapping) and kind.get("_target_") is not None
    return chosen and not (table.get("numeric") or table.get("categorical"))


def _no_fractions(data: Mapping[str, Any]) -> dict[str, float]:
    """Fractions of 0, since the cases bring their own split.

    Raises:
        PlanError: somebody chose another fraction.
    """
    usual = _member("data", OWN[data["_target_"]]) if data["_target_"] in OWN else data
    chosen = [name for name in FRACTIONS if data.get(name) not in (usual.get(name), 0)]
    if chosen:
        without = ", or say data.split=null to have no use of it" if data["_target_"] == MANIFEST else ""
        raise PlanError(
            f"{' '.join(f'data.{name}={data[name]}' for name in chosen)} would have no effect: the manifest's `split` "
            f"says which cases are train, val and test; leave it out{without}"
        )
    return dict.fromkeys(FRACTIONS, 0.0)


def _classes(data: Mapping[str, Any], cases: Sequence[Case]) -> tuple[list[str], list[str]]:
    task = tasks.TASKS[str(data["task"])](())
    if task.reads_label:
        _check_number(str(data.get("label") or "label"), cases)
    counts = task.found_classes(cases)
    if not counts:
        return [], []
    shown = ", ".join(f"{label} ({count})" for label, count in counts.items())
    words = list(counts)
    order = f"; {words[1]} is the positive class, data.classes=[{words[1]},{words[0]}] turns it round"
    return words, [f"classes found in the labels: {shown}{order if len(words) == 2 else ''}"]


def _check_number(column: str, cases: Sequence[Case]) -> None:
    """Check that labels could be classes; the message holds none, since they may identify patients.

    Raises:
        DataError: there are too many, or most have one case only.
    """
    count = len({case.label for case in cases})
    half = len(cases) // 2
    if count > MOST_CLASSES or count > max(2, half):
        limit = f"{MOST_CLASSES}" if count > MOST_CLASSES else f"half of the {len(cases)} cases"
        raise DataError(
            f"the labels in `{column}` have {count} different values, more than {limit}: is it the right column "
            "(data.label)? To have so many classes, list them in data.classes. A number can't be predicted, except the "
            "time to an event (data.task=survival)"
        )


def _of_images(raw: Mapping[str, Any]) -> dict[str, Any]:
    table = raw["table"]
    if table.get("numeric") or table.get("categorical"):
        raise PlanError(
            "table.numeric and table.categorical have no effect: the manifest's cases are images. If its columns are "
            "the cases' values, say data.file=null"
        )
    return {name: section for name, section in raw.items() if name != "table"}


def _of_table(raw: Mapping[str, Any], cases: Sequence[Case], replaced: Mapping[str, Any]) -> dict[str, Any]:
    table = {**raw["table"], **{name: raw["table"].get(name) or [] for name in ("numeric", "categorical")}}
    if not table["numeric"] and not table["categorical"]:
        data = raw["data"]
        used = {*data["classes"], *(name for name in data.values() if isinstance(name, str))}
        raise PlanError(
            f"the cases are rows of a table: say which columns are used, for instance {suggestion(cases, used)}"
            f"{images_hint(cases)}"
        )
    if problems := [*_predicted(raw["data"], table), *cell_problems(cases, table["numeric"], table["missing"])]:
        raise PlanError(problems)
    if not table["numeric"]:
        table["indicate_missing"] = False
    return {**raw, **replaced, "table": table, "data": {**raw["data"], "image_size": None}}


def _predicted(data: Mapping[str, Any], table: Mapping[str, Any]) -> list[str]:
    """A problem if the label's column is one of the table's; other tasks' columns the plan's own checks know."""
    label = str(data.get("label") or "label")
    if not tasks.TASKS[str(data["task"])](()).reads_label or label not in (*table["numeric"], *table["categorical"]):
        return []
    return [f"table: {label} is what data.task={data['task']} predicts (data.label); remove it from the columns"]


def _said_of_table(raw: Mapping[str, Any], replaced: Mapping[str, Any]) -> str:
    taken = [f"{group}={OF_TABLES[group]}" for group, section in replaced.items() if section != raw[group]]
    return f"the cases are rows of a table{': ' if taken else ''}{' '.join(taken)}"


def _chosen(group: str, section: Mapping[str, Any], named: Collection[str]) -> dict[str, Any]:
    """The group's section for tables, unless another member was chosen; values that were set stay, and those that are
    ``named``, also if they are the usual ones."""
    usual, instead = _member(group, USUAL[group]), _member(group, OF_TABLES[group])
    if section.get(_CHOICE[group]) != usual[_CHOICE[group]]:
        return dict(section)
    stay = {name for name, value in section.items() if value != usual.get(name, _NOTHING) or f"{group}.{name}" in named}
    return {**instead, **{name: section[name] for name in section if name in stay}}


_NOTHING = object()


def _member(group: str, name: str) -> dict[str, Any]:
    """The content of a file of ``conf/`` under its own group."""
    read = yaml.safe_load((files("fedgraft.conf") / group / f"{name}.yaml").read_text(encoding="utf-8"))
    found: dict[str, Any] = read.get(group, read)
    return found
