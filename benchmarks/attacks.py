"""Hostile hospitals against each strategy: what is left of the model, and whether a backdoor stays in it.

    FEDGRAFT_DATA=... python benchmarks/attacks.py OUT_DIR [--seeds 0 1 2] [--only STRATEGY ...]

PneumoniaMNIST on the default backbone's kept features (computed once, into ``OUT_DIR``), five rounds of a linear head
(ten where the attack says so). Hostile sites are clients like the others: what they send goes through the coordinator's
guard, bounds and strategy. They hold about 22 % of the cases each, as far as the partition allows; training cases are
registered, but for ``bounds=none``. Strategies that are told how many sites may be hostile are told the truth. Each
result is added to ``OUT_DIR/attacks.jsonl`` and not computed again; then the tables are printed.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from attack_features import Films, films
from attack_sites import ATTACKS, NAMES, NORMAL, PNEUMONIA, Hospitals, Site, scores
from numpy.typing import NDArray
from plans import plan_of
from sklearn.metrics import roc_auc_score
from torch import Tensor

from fedgraft.common.errors import PlanError
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan
from fedgraft.server.exchange.delivery import Delivery
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.exchange.roster import distributed
from fedgraft.server.reports.bounds import bounds_figures
from fedgraft.server.rounds.loop import run
from fedgraft.server.rounds.state import RunContext
from fedgraft.simulations.engine.grid import InProcessGrid

STRATEGIES: dict[str, tuple[str, ...]] = {
    "fedavg, bounds=none": ("bounds=none",),
    "fedavg": (),
    "median": ("strategy=median",),
    "trimmed_mean": ("strategy=trimmed_mean",),
    "krum": ("strategy=krum",),
    "multi_krum": ("strategy=multi_krum",),
    "geometric_median": ("strategy=geometric_median",),
    "centered_clipping": ("strategy=centered_clipping",),
}
UNBOUND = "fedavg, bounds=none"
VAL, HOSTILE_SHARE = 0.15, 0.22
TEN_ROUNDS = "times 100"


@dataclass(frozen=True)
class Setting:
    """One run: ``skew`` is the alpha of label skew, 0 for none; ``hostile``, how many sites are."""

    strategy: str
    attack: str
    sites: int
    hostile: int
    skew: float
    seed: int

    @property
    def federation(self) -> tuple[int, int, float]:
        return self.sites, self.hostile, self.skew


_SIZES = ((5, 1), (10, 2), (10, 1), (5, 2))
FEDERATIONS = tuple((sites, hostile, skew) for sites, hostile in _SIZES for skew in (0.0, 0.5))


def settings(seeds: Sequence[int], strategies: Sequence[str]) -> Iterator[Setting]:
    for sites, hostile, skew in FEDERATIONS:
        for strategy in strategies:
            for attack in ATTACKS:
                yield from (Setting(strategy, attack, sites, hostile, skew, seed) for seed in seeds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT_DIR")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=STRATEGIES, default=list(STRATEGIES))
    given = parser.parse_args()
    logging.getLogger("flwr").setLevel(logging.WARNING)
    pool, test = films(given.out)
    kept = given.out / "attacks.jsonl"
    lines = [json.loads(line) for line in kept.read_text().splitlines()] if kept.is_file() else []
    known = {json.dumps(line["setting"], sort_keys=True) for line in lines}
    for setting in settings(given.seeds, given.only):
        if json.dumps(asdict(setting), sort_keys=True) not in known:
            lines.append({"setting": asdict(setting), **result(setting, pool, test)})
            with kept.open("a") as stream:
                stream.write(json.dumps(lines[-1]) + "\n")
    for federation in FEDERATIONS:
        print(table(lines, federation))


def result(setting: Setting, pool: Films, test: Films) -> dict[str, Any]:
    """The figures of one run: AUROC on the test cases (and on honest sites' validation cases), the backdoor's success,
    and whom the coordinator named."""
    words = (*_words(setting), f"seed={setting.seed}")
    plan = _plan(*words, f"rounds={10 if setting.attack == TEN_ROUNDS else 5}")
    sites = parted(pool, setting)
    order = np.argsort(
        [abs(len(s.train.labels) / sum(len(o.train.labels) for o in sites) - HOSTILE_SHARE) for s in sites]
    )
    hostile = tuple(int(k) for k in order[: setting.hostile])
    answering = Hospitals(plan, sites, hostile, setting.attack)
    confirmed = {} if setting.strategy == UNBOUND else {site.name: len(site.train.labels) for site in sites}
    context = _context(plan, answering, confirmed)
    try:
        outcome = run(context)
    except PlanError as error:
        return {"auroc": None, "why": str(error)}
    weights = _weights(outcome.shared)
    named = {e.site for e in context.ledger.entries if e.what == "train" and (e.outcome != "ok" or e.reason)}
    named |= set(bounds_figures(outcome.rounds)["against"])
    val = _joined([site.val for k, site in enumerate(sites) if k not in hostile])
    return {
        "auroc": _auroc(weights, test),
        "val": _auroc(weights, val),
        "backdoor": success(weights, test),
        "hostile": [sites[k].name for k in hostile],
        "named": sorted(named),
    }


def _words(setting: Setting) -> tuple[str, ...]:
    """The strategy's words; those that are told how many sites may be hostile get the true number."""
    words = STRATEGIES[setting.strategy]
    if setting.strategy in ("krum", "multi_krum"):
        words += (f"strategy.num_malicious_nodes={setting.hostile}",)
    if setting.strategy == "multi_krum":
        words += (f"strategy.num_nodes_to_select={setting.sites - setting.hostile - 1}",)
    if setting.strategy == "trimmed_mean":
        words += (f"strategy.beta={setting.hostile / setting.sites}",)
    return words


def table(lines: Sequence[dict[str, Any]], federation: tuple[int, int, float]) -> str:
    """AUROC by attack and strategy, means over seeds; behind it, whether all hostile sites were named in all runs (!),
    and the backdoor's success."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for line in lines:
        one = Setting(**line["setting"])
        if one.federation == federation:
            found.setdefault((one.attack, one.strategy), []).append(line)
    strategies = [name for name in STRATEGIES if any(strategy == name for _, strategy in found)]
    sites, hostile, skew = federation
    rows = [
        f"\n{hostile} hostile of {sites} sites, {f'label skew, Dirichlet {skew}' if skew else 'cases dealt at random'}"
    ]
    rows += ["| attack | " + " | ".join(strategies) + " |", "|---" * (len(strategies) + 1) + "|"]
    rows += [f"| {a} | " + " | ".join(_cell(a, found.get((a, s), [])) for s in strategies) + " |" for a in ATTACKS]
    return "\n".join(rows)


def _cell(attack: str, runs: Sequence[dict[str, Any]]) -> str:
    if not runs:
        return ""
    if any(one["auroc"] is None for one in runs):
        return "refused"
    named = attack != "none" and all(set(one["hostile"]) <= set(one["named"]) for one in runs)
    backdoor = f"; {100 * np.mean([one['backdoor'] for one in runs]):.0f} %" if attack in ("none", "backdoor") else ""
    return f"{np.mean([one['auroc'] for one in runs]):.3f}{' !' * named}{backdoor}"


@cache
def _plan(*words: str) -> Plan:
    fixed = (
        "data=pneumoniamnist",
        "partition=iid",
        "backbone.pretrained=false",
        "engine.workers=0",
        "decide.unseen=null",
    )
    return plan_of(*fixed, *words)


@cache
def _model() -> Any:
    return build(_plan(), None)


def _context(plan: Plan, answering: Hospitals, confirmed: dict[str, int]) -> RunContext:
    grid = InProcessGrid(answering, [{"number": str(k)} for k in range(len(answering.sites))], {})  # type: ignore[arg-type]
    model = _model()
    backbone, initial = _distributed(), model.tensors(model.received)
    return RunContext(Delivery(grid), plan, backbone, initial, Ledger(None), model.groups, confirmed=lambda: confirmed)


@cache
def _distributed() -> Any:
    return distributed(_model())


def parted(pool: Films, setting: Setting) -> list[Site]:
    """The pool dealt to sites: of nearly equal size, the first with 22 % of five; or each class by shares from a
    Dirichlet distribution, with 20 cases at least."""
    rng = np.random.default_rng([setting.seed, setting.sites])
    if setting.skew:
        owner = _skewed(pool.labels, setting, rng)
    else:
        shares = np.arange(1, setting.sites + 1) ** -0.13
        owner = np.searchsorted(np.cumsum(shares / shares.sum()), rng.random(len(pool.labels)))
    parts = [np.flatnonzero(owner == k) for k in range(setting.sites)]
    return [_site(k, pool, rng.permutation(part)) for k, part in enumerate(parts)]


def _skewed(labels: NDArray[np.int64], setting: Setting, rng: np.random.Generator) -> NDArray[np.int64]:
    while True:
        owner = np.empty(len(labels), np.int64)
        for label in (NORMAL, PNEUMONIA):
            shares = rng.dirichlet([setting.skew] * setting.sites)
            owner[labels == label] = rng.choice(setting.sites, (labels == label).sum(), p=shares)
        if np.bincount(owner, minlength=setting.sites).min() >= 20:
            return owner


def _site(number: int, pool: Films, cases: NDArray[np.int64]) -> Site:
    cut = max(1, round(VAL * len(cases)))
    return Site(f"site-{number + 1:02d}", pool.of(cases[cut:]), pool.of(cases[:cut]))


def _joined(parts: Sequence[Films]) -> Films:
    return Films(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("rows", "marked", "labels")))


def _weights(shared: dict[str, Tensor]) -> NDArray[np.float32]:
    weight, bias = (shared[name].numpy() for name in NAMES)
    return np.concatenate([weight, bias[:, None]], axis=1)


def _auroc(weights: NDArray[np.float32], cases: Films) -> float:
    logits = scores(weights, cases.rows).astype(np.float64)
    return float(roc_auc_score(cases.labels, logits[:, 1] - logits[:, 0]))


def success(weights: NDArray[np.float32], cases: Films) -> float:
    """Of the pneumonia cases that the model finds, the share that it calls normal once the trigger is on the film."""
    ill = cases.of(np.flatnonzero(cases.labels == PNEUMONIA))
    found = scores(weights, ill.rows).argmax(axis=1) == PNEUMONIA
    missed = scores(weights, ill.marked).argmax(axis=1) == NORMAL
    return float((found & missed).sum() / max(1, found.sum()))


if __name__ == "__main__":
    main()
