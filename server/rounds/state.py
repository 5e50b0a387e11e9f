"""What a run works with, what its phases hand on (`fedgraft.server.rounds.loop`), and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from fedgraft.common.interfaces.codec import Codec
from fedgraft.common.interfaces.task import AnyTask, Evaluation, Scalar
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire.offer import Offer
from fedgraft.server.rounds.final_model import FinalModel
from fedgraft.server.rounds.interpolation import BySite, Shared
from fedgraft.server.rounds.ledger import Ledger
from fedgraft.server.rounds.roster import DistributedBackbone, Roster


@dataclass(frozen=True)
class Round:
    """What is known of one round. Round 0 is the untrained model.

    Attributes:
        train_loss: mean over the sites' training cases, ``None`` if a site withheld it.
        bytes_up: content of the round's train messages, summed over the sites that were asked; so is ``bytes_down``.
        by_site: evaluations of the model *after* this round, by site and split (``val``, ``test``).
        central: evaluation of the same model on the coordinator's own test set, if it has one.
    """

    number: int
    task: AnyTask
    sites: tuple[str, ...] = ()
    train_loss: float | None = None
    seconds: float = 0.0
    bytes_up: int = 0
    bytes_down: int = 0
    by_site: BySite = field(default_factory=dict)
    central: Evaluation | None = None

    def pooled(self, split: str, without: Collection[str] = ()) -> Evaluation | None:
        """The evaluations of a split by all sites but those ``without``, merged; ``None`` if no site gave one."""
        parts = [splits[split] for site, splits in self.by_site.items() if split in splits and site not in without]
        return self.task.merge(parts) if parts else None

    @property
    def test(self) -> Evaluation | None:
        """On the coordinator's own test set if it has one, else on the sites' test cases, merged."""
        return self.central if self.central is not None else self.pooled("test")


@dataclass(frozen=True)
class RunContext:
    """What a run works with.

    ``registered``: site names by node id, if the coordinator registered them. ``evaluate`` scores shared tensors on the
    coordinator's own test set. ``progress`` is shown each round as soon as it is aggregated, ``finished`` once its
    evaluation is in; ``keep`` gets the shared tensors after each round.
    """

    grid: Grid
    plan: Plan
    backbone: DistributedBackbone
    initial: Shared
    ledger: Ledger
    registered: Mapping[int, str] = field(default_factory=dict)
    evaluate: Callable[[Shared], Evaluation] | None = None
    finished: Callable[[Round], None] = lambda round_: None
    progress: Callable[[Round], None] = lambda round_: None
    keep: Callable[[Shared], None] = lambda shared: None

    def central(self, shared: Shared) -> Evaluation | None:
        """Of a model, on the coordinator's own test set; ``None`` if it has none."""
        return None if self.evaluate is None else self.evaluate(dict(shared))


@dataclass(frozen=True)
class Prepared:
    """What stands before the first round.

    Attributes:
        strategy: Flower's own object, the only thing of a run that changes in place: adaptive strategies keep their
            moments in it from round to round.
        codec: reads what sites send.
        roster: the nodes that are ready.
    """

    strategy: Strategy
    codec: Codec
    roster: Roster


@dataclass(frozen=True)
class RunState:
    """Where a run stands after a round: with `Prepared`, all that the next round follows from.

    Attributes:
        number: of the last round that was aggregated; 0 before the first.
        shared: the shared tensors after it.
        roster: the nodes that were ready in it.
        rounds: 0 to ``number``; the sites' evaluations of the last one's model are still to come.
        final: which model has been the best so far, where the plan chooses one.
    """

    number: int
    shared: Shared
    roster: Roster
    rounds: tuple[Round, ...]
    final: FinalModel


@dataclass(frozen=True)
class RunOutcome:
    """The final shared tensors, every round, the sites' offers by name, and the round of the final model.

    ``final``: evaluated after the last round; with ``select=best`` it can be an earlier one. ``interpolations``: the
    validation figure of each share of the trained head that ``initial.interpolate`` names.
    """

    shared: Shared
    rounds: tuple[Round, ...]
    offers: dict[str, Offer]
    final: Round
    interpolations: dict[float, Scalar] = field(default_factory=dict)
