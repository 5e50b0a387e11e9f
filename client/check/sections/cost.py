"""The cost of a round at this site: time, memory, bytes on the line, disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fedgraft.client.check.formatting import count_of, seconds_of, size_of
from fedgraft.client.check.measure import CaseTimes, Surroundings
from fedgraft.client.check.report import Finding, Grade, Grid, Section
from fedgraft.common.interfaces.input_kind import InputFacts
from fedgraft.common.models.traffic import Volume
from fedgraft.common.plan.checks.exact import is_exact
from fedgraft.common.plan.plan import Plan

LATE = 0.5
"""Share of ``patience.deadline`` beyond which the expected time of a round leaves no reserve for a busy machine."""
MOST_MEMORY = 0.7
MOST_DISK = 0.9
EXAMPLE_UPLINK = 10.0


def cost(
    plan: Plan,
    facts: InputFacts,
    counts: Mapping[str, int],
    measured: CaseTimes,
    volume: Volume,
    around: Surroundings,
) -> Section:
    """Extrapolate the cost from the measured sample.

    Args:
        facts: the input of the plan's network.
        counts: usable cases by split.
    """
    rows = kept_rows(plan, counts)
    findings = [
        *_times(plan, facts, counts, measured, volume, around),
        _memory(measured, rows, around),
        _line(plan, volume, around),
        _disk(measured, rows, volume, around),
    ]
    return Section("cost of a round", tuple(findings), (_grid(plan, facts, measured, volume),))


def kept_rows(plan: Plan, counts: Mapping[str, int]) -> int:
    """Number of kept rows: all views of a training case, and those of any other that evaluations see."""
    return counts["train"] * plan.augment.views + (counts["val"] + counts["test"]) * plan.augment.evaluated


def first_seconds(plan: Plan, counts: Mapping[str, int], measured: CaseTimes) -> float:
    """Seconds to decode and compute every case once, before the first round."""
    cases = sum(counts.values())
    return cases * (measured.decode + measured.compute) + (kept_rows(plan, counts) - cases) * measured.view


def round_seconds(plan: Plan, counts: Mapping[str, int], measured: CaseTimes) -> float:
    """Seconds of a round: evaluating the received model, and training; with ``strategy=exact``, those of its first
    gradient, which is about an epoch."""
    held_out, epochs = counts["val"] + counts["test"], 1 if is_exact(plan.strategy) else plan.train.epochs
    return counts["train"] * epochs * measured.train + held_out * measured.evaluate


def transfer_seconds(size: int, uplink: float) -> float:
    """Seconds for ``size`` bytes at ``uplink`` Mbit/s."""
    return size * 8 / (uplink * 1e6)


def _times(
    plan: Plan,
    facts: InputFacts,
    counts: Mapping[str, int],
    measured: CaseTimes,
    volume: Volume,
    around: Surroundings,
) -> Iterator[Finding]:
    timeout, on = plan.patience.first_deadline, f"measured on {count_of(measured.cases, 'case')}"
    first, each = first_seconds(plan, counts, measured), round_seconds(plan, counts, measured)
    sending = 0.0 if around.uplink is None else transfer_seconds(volume.up, around.uplink)
    text = (
        f"about {seconds_of(first)} once, to {facts.take} and compute {count_of(sum(counts.values()), 'case')} ({on})"
    )
    if first > timeout:
        todo = f"the run goes on without this site until it is ready: raise patience.deadline={timeout:g} (seconds)"
        yield Finding("warning", "time before the first round", text, todo)
    else:
        yield Finding("ok", "time before the first round", text)
    text = f"about {seconds_of(each + sending)} each ({on})"
    if volume.times > 1:
        text += f", for each gradient; at most {volume.times:,} in each of {count_of(plan.rounds, 'round')}"
    elif plan.rounds > 1:
        text += f", {seconds_of((each + sending) * plan.rounds)} for all {plan.rounds:,} rounds"
    text += "" if around.uplink is None else f", with {seconds_of(sending)} each to send"
    grade: Grade = "problem" if each + sending > timeout else "warning" if each + sending > LATE * timeout else "ok"
    todo = "" if grade == "ok" else f"patience.deadline={timeout:g} s; ask for a longer one, or use a faster machine"
    yield Finding(grade, "time of a round", text, todo)


def _memory(measured: CaseTimes, rows: int, around: Surroundings) -> Finding:
    kept = 0 if around.on_disk else rows * measured.row_bytes + around.pixels
    need = measured.peak_bytes + kept
    text = f"{size_of(need)} at most, measured on {count_of(measured.cases, 'case')}"
    text += (f" and with {size_of(kept)} kept in memory" if kept else "") + f"; there are {size_of(around.memory)}"
    if need <= MOST_MEMORY * around.memory:
        return Finding("ok", "memory", text)
    todo = "set a smaller `batch` or fewer `workers` in site.yaml" + ("; or keep: disk" if kept else "")
    return Finding("problem" if need > around.memory else "warning", "memory", text, todo)


def _line(plan: Plan, volume: Volume, around: Surroundings) -> Finding:
    each = "round" if volume.times == 1 else "gradient"
    text = f"each {each} {size_of(volume.up)} up (and an evaluation of a few kB) and {size_of(volume.down)} down"
    if not around.backbone_here:
        text += f"; once {size_of(volume.backbone)} down, the backbone"
    if around.uplink is None:
        example = seconds_of(transfer_seconds(volume.up, EXAMPLE_UPLINK))
        todo = "the line's speed was not measured; state it with --uplink MBIT"
        return Finding("ok", "bytes", f"{text}; at {EXAMPLE_UPLINK:g} Mbit/s, {example} to send", todo)
    seconds = transfer_seconds(volume.up, around.uplink)
    text += f"; {seconds_of(seconds)} to send at the stated {around.uplink:g} Mbit/s"
    if seconds > LATE * plan.patience.first_deadline:
        return Finding("warning", "bytes", text, "ask for a plan with compression, or for a faster line")
    return Finding("ok", "bytes", text)


def _disk(measured: CaseTimes, rows: int, volume: Volume, around: Surroundings) -> Finding:
    backbone = 0 if around.backbone_here else volume.backbone
    need = (rows * measured.row_bytes + around.pixels if around.on_disk else 0) + backbone
    text = f"{size_of(need)} at most, besides what is kept already; {size_of(around.disk)} free"
    if need > MOST_DISK * around.disk:
        return Finding("problem", "disk", text, "make room, or put `store` in site.yaml on another disk")
    return Finding("ok", "disk", text)


def _grid(plan: Plan, facts: InputFacts, measured: CaseTimes, volume: Volume) -> Grid:
    rows = [
        (f"{facts.take} {facts.a}, once", seconds_of(measured.decode)),
        ("compute what comes before the graft, once", seconds_of(measured.compute)),
        *(
            [("each further view of a training case, once", seconds_of(measured.view))]
            if plan.augment.views > 1
            else []
        ),
        ("train on a case, each epoch", seconds_of(measured.train)),
        ("evaluate a case, each round", seconds_of(measured.evaluate)),
        ("kept of a case, per view", size_of(measured.row_bytes)),
        ("the plan, down, once", size_of(volume.question)),
        (f"{'a round' if volume.times == 1 else 'a gradient'}, down", size_of(volume.down)),
        (f"{'a round' if volume.times == 1 else 'a gradient'}, up", size_of(volume.up)),
        ("after the last round, down", size_of(volume.last)),
    ]
    return Grid("measured, and counted from the plan", ("what", "amount"), tuple(rows))
