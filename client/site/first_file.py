"""The first ``site.yaml`` of a site, with a comment on each option, as ``fedgraft site init`` writes it."""

from __future__ import annotations

import json
from pathlib import Path

AUTHORITY = "ca.crt"
"""The file of the coordinator's authority, beside ``site.yaml``."""
UNKNOWN = "coordinator.example.org:8443"
"""Stands for the coordinator's address until it is known."""
_TEMPLATE = """\
# This site's own file. It wins over every plan: what it does not allow does not leave.
# Relative paths are relative to this file.

name: {name}                 # letters, digits, - and _; the coordinator registers you under it
manifest: {manifest}         # CSV or Parquet: path, label, patient, and more (docs/cohort.md)
state: {state}         # private to this site: local tensors, the log of what left, programs' logs
device: auto                 # a GPU if there is one; or cpu, cuda:0
# threads: 2                 # for computing; by default one per core
# workers: 1                 # processes that decode files; by default one per core
# batch: 32                  # images at once through the network; by default chosen by their size
# runtime: eager             # what computes the frozen part; by default the fastest of what is installed

# How many of the patients validate and test, unless the manifest names a `split`; no plan changes it. Who is in which
# part is drawn at the first run and kept.
split:
  val_fraction: 0.1
  test_fraction: 0.2

# Texts of a table that a plan may count as missing, besides ?, NA, NaN and the like: ["-1", "999"]
# missing: []

# Your own words, and what a plan calls them: of the cells under `label`, or the columns of findings. Several columns of
# yes and no can be one finding. And the findings of a plan that nobody marks here, which need no column.
# terms: {{Pneumonie: pneumonia, Erguss: effusion}}
# unmarked: [mass]

# With what copies of notes are made, where a plan asks for them (docs/text-augmentation.md).
# notes:
#   wordnet: /usr/share/wordnet      # WordNet 3.0, for synonyms
#   translator: apertium             # or package.module:function; by default none

# What may leave besides the shared tensors and the number of training cases.
release:
  train_loss: true
  evaluation: true           # counts and score histograms of the validation and test cases
  small_counts: withheld     # unusable cases and missing values, where fewer than min_count; told: as they are
  scores: merged             # histograms tell groups of min_count neighbouring scores; fine: each case's score to a
                             # quarter of a percent, without saying whose
  class_counts: true         # only if every count is 0 or at least min_count
  statistics: true           # of a table, moments of features (what is familiar), and means over images for
                             # harmonising: each of at least min_count patients
  min_count: 5
  quarantine: true           # how many cases can't be used, by reason
  columns: []                # of the manifest, by whose values figures on test cases may be told: [sex, age]

# Which plans are carried out here: ask, those that a person approved (fedgraft site pending, review, approve); listed,
# those whose digests stand under `approved`; all, any (within `bounds` and `release`).
approval: ask
# approved: [5f2c...]

# warm: false                # true: torch is imported at once and kept, for 400 MB; a run's first answer comes sooner

# role: train                # evaluate: this site only tests the final model; predict: it takes part in no run

# What the coordinator is told while you are connected, so that it knows before a run whether a plan fits: the version
# of fedgraft, whether cases are files or rows, the packages below, and
announce:
  columns: true              # names of the manifest's and the table's columns; never what is in them
  cases: true                # lines of the manifest, to two figures, if there are min_count
  room: true                 # bytes that the state folder (store) could hold, to one figure
  classes: false             # labels that min_count lines of the manifest have, and how many, to two figures

# The most that a plan may ask of you (docs/trust.md); these are the defaults. What asks for more is refused by name.
# bounds:
#   rate: 10                 # any learning rate
#   width: 4096              # rows of a tensor that is trained
#   parameters: 50000000     # numbers that are trained
#   rounds: 1000             # of a run
#   epochs: 100              # of a round
#   steps: 200000            # of a round
#   seconds: 21600           # to train for one message
#   bytes: 500000000         # that come with a message, the pretrained network aside
#   norm: 1000               # of each tensor that comes to be trained
#   evaluations: 5000        # gradients of a run (strategy=exact)
#   changes: 20              # questions of a run that were answered and come back changed
#   below: 0.5               # share of units that may rest on too few patients; with more nothing is sent

# Secure sums (docs/secure-aggregation.md): fewest hospitals, keys of others (any, if empty), no plan without them.
# secure: {{at_least: 3, known: [], required: false}}

# The most that may be told of a patient in all runs (docs/privacy.md). With it, plans without differential privacy are
# refused, and those for which the rest does not suffice; `fedgraft site privacy` shows the account. Nor are numbers of
# cases announced, or figures sent by `site evaluate --send`.
# privacy:
#   epsilon: 8
#   delta: 1.0e-5
#   per: year                # or month; site: ever

# Packages, besides fedgraft, from which a plan may use parts here. Leave it empty if in doubt.
allow: []

coordinator:
  address: {address}   # as the coordinator told you: host:port, no https://
  ca: ca.crt                              # the coordinator's certificate authority: a file it gives you
  key: {key}                              # made by `fedgraft site keygen`; never leaves this machine
  # proxy: {{address: proxy.example.org:3128, user: fl, password: proxy.password}}   # on the way out, in the place of
  #                                       HTTPS_PROXY; `password` is a file that only this account can read
"""


def first_file(name: str, manifest: Path, address: str = UNKNOWN) -> str:
    """The text of a first ``site.yaml``; its key is ``NAME.key``, its state ``NAME-state``, both beside it.

    Args:
        manifest: absolute.
        address: the coordinator's, ``host:port``.
    """
    return _TEMPLATE.format(
        name=json.dumps(name),
        manifest=json.dumps(str(manifest), ensure_ascii=False),
        state=json.dumps(f"{name}-state"),
        key=json.dumps(key_file(name)),
        address=json.dumps(address),
    )


def key_file(name: str) -> str:
    """The file of a site's private key, beside its ``site.yaml``."""
    return f"{name}.key"
