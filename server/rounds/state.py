"""The context of a run, the results of its phases (`fedgraft.server.rounds.loop`), and its outcome."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from fedgraft.common.familiarity.between_sites import Distance
from fedgraft.common.familiarity.familiarity import Familiarity
from fedgraft.common.interfaces.features import Group
from fedgraft.common.interfaces.roles import BEFORE_HEAD
from fedgraft.common.interfaces.task import AnyTask, Evaluation, Scalar
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire.offer import Offer
from fedgraft.common.wire.subgroups import ByGroup
from fedgraft.server.aggregation.strategy_state import Kept
from fedgraft.server.bounds.judgement import Figures
from fedgraft.server.bounds.memory import Memory
from fedgraft.server.exact.fit import Fit
from fedgraft.server.exact.steps_taken import StepsTaken
from fedgraft.server.exchange.delivery import Delivery
from fedgraft.server.exchange.hearing import Hear, each_for_itself
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.exchange.roster import DistributedBackbone, Roster
from fedgraft.server.patience.patience import NoPatience, Waits
from fedgraft.server.patience.quorum import Quorum, RestedOn, quorum_of
from fedgraft.server.rounds.final_model import FinalModel
from fedgraft.server.rounds.interpolation import BySite, Shared


@dataclass(frozen=True)
class Round:
    """The results of one round. Round 0 is the untrained model.

    Attributes:
        train_loss: mean over the sites' training cases; ``None`` if a site withheld it.
        bytes_up, bytes_down: content of the round's replies and train messages, summed over the sites.
        by_site: evaluations of the model *after* this round, by site and split (``val``, ``test``).
        grouped: by site, of how many cases or more scores in these are told together; 0 where each case's is.
        central: evaluation of the same model on the coordinator's own test set, if it has one.
        subgroups: evaluations of the sites' test cases, by site, column and subgroup (``audit``).
        expected: training cases by class that held-out sites expect (``features.scale=own_balanced``) and may tell.
        fit: how the coordinator's own fit of this round ended (``strategy=exact``); ``None`` if the sites trained.
        updates: what is told of each site's update of this round.
        noise: how far noise for privacy moves each figure of ``by_site``, by split; empty without.
        steps: with privacy, the noisy steps that were taken up to this round's end, and those that were lost in it.
        rested_on: of the sites and training cases of the run, those that made this round's model; ``None`` of round 0.
    """

    number: int
    task: AnyTask
    sites: tuple[str, ...] = ()
    train_loss: float | None = None
    seconds: float = 0.0
    bytes_up: int = 0
    bytes_down: int = 0
    by_site: BySite = field(default_factory=dict)
    grouped: Mapping[str, int] = field(default_factory=dict)
    central: Evaluation | None = None
    subgroups: dict[str, ByGroup[Evaluation]] = field(default_factory=dict)
    expected: dict[str, tuple[int, ...]] = field(default_factory=dict)
    fit: Fit | None = None
    rested_on: RestedOn | None = None
    updates: Mapping[str, Figures] = field(default_factory=dict)
    noise: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    steps: StepsTaken | None = None

    def pooled(self, split: str, without: Collection[str] = ()) -> Evaluation | None:
        """The merged evaluations of a split by all sites but those in ``without``; ``None`` if no site sent one."""
        parts = [splits[split] for site, splits in self.by_site.items() if split in splits and site not in without]
        return self.task.merge(parts) if parts else None

    def evaluated(self, by_site: BySite, roster: Roster) -> Round:
        """The round with its model's evaluations by the sites of a roster."""
        return replace(self, by_site=by_site, grouped={one.site: one.grouped for one in roster.values()})

    @property
    def test(self) -> Evaluation | None:
        """The evaluation on the coordinator's own test set if it has one, else on the sites' pooled test cases."""
        return self.central if self.central is not None else self.pooled("test")


@dataclass(frozen=True)
class RunContext:
    """What all phases of a run need.

    Attributes:
        delivery: the way of messages to the nodes.
        backbone: the backbone as it is sent to sites.
        initial: the tensors that sites receive, of the model as built.
        begins: the same, of the run from whose graft this one begins (``start_from``); ``None`` if it begins from none.
        groups: of the features, by the module that they come from.
        registered: site names by node id, as they are registered now; empty if the coordinator registers none (a
            simulation).
        confirmed: gives the training cases by site that the coordinator registered, as they are registered now.
        unfit: of nodes that are not prepared yet, gives those that the plan does not fit, each with the reason.
        sums: asks sites in secure sums; ``None`` where each answers for itself.
        waits: what it does below its quorum.
        evaluate: evaluates shared tensors on the coordinator's own test set; ``None`` if it has none.
        finished: called with each round once the sites have evaluated its model.
        progress: called with each round as soon as it is aggregated.
        keep: called with the shared tensors after each round.
        reached: called with what makes the rounds, and with the state before the first round and after each.
    """

    delivery: Delivery
    plan: Plan
    backbone: DistributedBackbone
    initial: Shared
    ledger: Ledger
    groups: tuple[Group, ...]
    begins: Shared | None = None
    registered: Mapping[int, str] = field(default_factory=dict)
    confirmed: Callable[[], Mapping[str, int]] = dict
    unfit: Callable[[Collection[int]], Mapping[int, str]] = lambda nodes: {}
    sums: Hear | None = None
    waits: Waits = field(default_factory=NoPatience)
    evaluate: Callable[[Shared], Evaluation] | None = None
    finished: Callable[[Round], None] = lambda round_: None
    progress: Callable[[Round], None] = lambda round_: None
    keep: Callable[[Shared], None] = lambda shared: None
    reached: Callable[[Rounds, RunState], None] = lambda rounds, state: None

    @property
    def hear(self) -> Hear:
        """How sites are asked for what is summed."""
        return each_for_itself(self.delivery, self.registered) if self.sums is None else self.sums

    def quorum(self) -> Quorum:
        """How many sites and cases a round needs, of those that the run has now."""
        return quorum_of(self.plan, self.ledger, self.registered)

    @property
    def trained(self) -> Shared:
        """The tensors that sites train and send back, of the model as built; the others are given."""
        return {name: tensor for name, tensor in self.initial.items() if not name.startswith(BEFORE_HEAD)}

    @property
    def head_width(self) -> int:
        """The number of features that enter the head."""
        return self.plan.features.keep or sum(group.width for group in self.groups)

    def central(self, shared: Shared) -> Evaluation | None:
        """The evaluation of a model on the coordinator's own test set; ``None`` if it has none."""
        return None if self.evaluate is None else self.evaluate(dict(shared))


@dataclass(frozen=True)
class RunState:
    """The state of a run after a round; together with `Prepared` it determines the next round.

    Attributes:
        number: of the last aggregated round; 0 before the first.
        shared: the shared tensors after this round.
        roster: the nodes that were ready in this round.
        rounds: rounds 0 to ``number``; the last one still lacks the sites' evaluations of its model.
        final: the state of the choice of the final model.
        choices: for each option that validation cases chose before the first round, the figure of each value.
        memory: of the rounds' updates, by which the next ones are judged.
        left_out: after the last round, its model without one site's update, by site; empty unless the plan asks for
            ``contributions``, and of a run that was interrupted behind it.
    """

    number: int
    shared: Shared
    roster: Roster
    rounds: tuple[Round, ...]
    final: FinalModel
    choices: dict[str, dict[str, Scalar]] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)
    left_out: Mapping[str, Shared] = field(default_factory=dict)


class Rounds(Protocol):
    """How a plan's strategy makes the next model."""

    def next(self, context: RunContext, state: RunState) -> RunState:
        """Run one round over the state's roster. With their answers the sites send evaluations of the received model,
        the last round's.

        Raises:
            TooFewError: fewer sites answered as asked than the quorum needs; the same round can be run again.
            RoundError: the strategy failed.
            UndefinedFigureError: in the first round, if no validation figure is defined by which to choose a model.
        """

    def kept(self) -> Kept:
        """What it remembers besides the `RunState`.

        Raises:
            CheckpointError: it can't be kept.
        """

    def restore(self, kept: Kept) -> None:
        """Remember what was `kept`."""


@dataclass(frozen=True)
class Resumed:
    """Where a run goes on that was interrupted: the state after its last round, and what `Rounds` remembered."""

    state: RunState
    kept: Kept


@dataclass(frozen=True)
class Prepared:
    """The result of the first phase.

    Attributes:
        rounds: makes each round's model.
        roster: the nodes that are ready.
    """

    rounds: Rounds
    roster: Roster


@dataclass(frozen=True)
class Contributions:
    """Evaluations of the last round's model by the training sites (`fedgraft.server.rounds.contributions`).

    Attributes:
        round: the last.
        whole: of the model with all updates.
        without: of that without one site's update, by this site.
    """

    round: int
    whole: BySite
    without: Mapping[str, BySite] = field(default_factory=dict)


@dataclass(frozen=True)
class RunOutcome:
    """The result of a run.

    Attributes:
        shared: the final model's shared tensors.
        offers: the sites' offers, by name.
        final: the round of the final model, with evaluations made after the last round; with ``select=best`` it can be
            an earlier one.
        interpolations: the validation figure of each share of the trained head in ``initial.interpolate``.
        choices: as `RunState.choices`.
        kept: how many features of each group enter the head (``features.keep``); empty if all do.
        familiarity: what kind of case is familiar to the final model; ``None`` if nobody told, or was asked.
        contributions: what each site's update changed in the last round; ``None`` if the plan does not ask, or the run
            was interrupted behind it.
        distances: between each two sites, by state of their features; empty if the plan does not ask.
    """

    shared: Shared
    rounds: tuple[Round, ...]
    offers: dict[str, Offer]
    final: Round
    interpolations: dict[float, Scalar] = field(default_factory=dict)
    choices: dict[str, dict[str, Scalar]] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)
    familiarity: Familiarity | None = None
    contributions: Contributions | None = None
    distances: Mapping[str, Mapping[tuple[str, str], Distance]] = field(default_factory=dict)
