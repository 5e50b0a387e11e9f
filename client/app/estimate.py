"""How long a round takes this site, reckoned when it is prepared: a few cases are timed, and the rest is multiplied.

By this the coordinator knows how long it waits for the first answers (``patience.deadline=auto``). All that is computed
once is kept by then, so that what counts is what a round does itself.
"""

from __future__ import annotations

import time
from dataclasses import replace

from fedgraft.client.training.evaluation import predict
from fedgraft.client.training.session import Session
from fedgraft.common.interfaces.personalisation import TrainsCopy

CASES = 8
"""So many are timed, the second time: the first pays for what a device sets up."""
PASSES = 3.0
"""A step of training, in passes forward: one, and a backward one of twice the work."""
FIGURES = 2


def round_seconds(session: Session) -> float | None:
    """Seconds of an answer to ``train``, to two figures: the time to open the site's kept cases, to evaluate the model
    that came, and to train it; ``None`` for a site without cases, or before it
    is known which features enter the head.

    What a plan's parts add (a sampler's repetitions, alignment) is not in it, nor is the way of the tensors.
    """
    chosen_later = session.plan.features.keep is not None  # the head has no inputs yet
    opening, one = session.phases.seconds, None if chosen_later else _seconds_a_view(session)
    if one is None:
        return None
    opened = opening.get("build", 0.0) + (0.0 if session.phases.computed else opening.get("cohort", 0.0))
    evaluated = sum(len(session.cohort[split]) * session.cohort[split].views for split in ("val", "test"))
    trains = not session.held_out
    copies = 2 if isinstance(session.personal, TrainsCopy) else 1
    shown = len(session.cohort["train"]) * session.plan.train.epochs * copies if trains else 0
    return float(f"{opened + one * (evaluated + PASSES * shown):.{FIGURES}g}")


def _seconds_a_view(session: Session) -> float | None:
    """Seconds of one pass forward, for one view of one case, through the part of the network that is trained."""
    some = next((part for part in session.cohort.values() if len(part)), None)
    if some is None:
        return None
    places = None if some.places is None else some.places[:CASES, :1]
    few = replace(some, labels=some.labels[:CASES], places=places)
    seconds = 0.0
    for _ in range(2):
        start = time.perf_counter()
        predict(session.model.constant.trained, few, session.device)
        seconds = time.perf_counter() - start
    return seconds / len(few)
