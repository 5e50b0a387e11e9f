"""A site that tells sums with noise in one run: each is charged before it is made, and made once for each question."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.account.privacy import PrivacyAccount
from fedgraft.client.privacy.clipping import Patients
from fedgraft.client.privacy.kept import Told, key_of, told_before
from fedgraft.client.privacy.steps import NoisySteps
from fedgraft.client.privacy.sums import noisy_cells, noisy_counts, noisy_gradient, noisy_moments, noisy_start
from fedgraft.client.training.full_batch import SummedLoss
from fedgraft.client.training.session import Session
from fedgraft.common import tasks, tensors
from fedgraft.common.errors import PrivacyError
from fedgraft.common.features.moments import Moments
from fedgraft.common.heads.linear_shape import BIAS, WEIGHT
from fedgraft.common.interfaces.head_start import COUNTS as CLASSES
from fedgraft.common.interfaces.head_start import BearsNoise
from fedgraft.common.plan.plan import Plan
from fedgraft.common.privacy.accountant import Release
from fedgraft.common.privacy.budget import Budget, budget_of, site_noise_of
from fedgraft.common.privacy.histograms import Counted
from fedgraft.common.wire.messages import SPLITS, Instruction

COUNTS, MOMENTS, GRADIENT, FIGURES = "counts", "moments", "gradient", "figures"
TRAINED, START = "trained", "start"


def charged_by(plan: Plan) -> tuple[tuple[Release, ...], tuple[Release, ...]]:
    """What a run costs a patient whom it trains on, and what others.

    With ``privacy=site`` the noise hides a whole site, whose update one patient can move from anywhere to anywhere else
    within the bound: by twice its length.
    """
    if plan.privacy.by_site:
        noise = site_noise_of(plan)
        return (replace(noise, noise=noise.noise / 2),), ()
    budget = budget_of(plan)
    return budget.releases, budget.apart


@dataclass(frozen=True)
class PrivateSite:
    """One site in one run with ``privacy=record``.

    Attributes:
        parties: how many sites, at least, have a part in the secure sum that an answer goes into; 1 without one.
        sum_key: the site's own public key for that sum, into which nothing has gone yet; ``""`` without one.
    """

    session: Session
    parties: int = 1
    sum_key: str = ""

    def begin(self) -> None:
        """Charge the run.

        Raises:
            PrivacySpentError: the site's budget does not suffice.
            DataError: its account was changed.
        """
        session = self.session
        if self._account.releases(session.run, session.plan.digest) is None:
            asked, apart = charged_by(session.plan)
            self._account.charge(session.run, session.plan.digest, asked, session.site.privacy, apart=apart)

    @cached_property
    def budget(self) -> Budget:
        """The noise, as the run was charged.

        Raises:
            PrivacySpentError: it never was.
        """
        charge = self._account.charged(self.session.run, self.session.plan.digest)
        return Budget.of(charge.releases, charge.apart)

    def counts(self) -> tuple[int, ...]:
        """Training patients by class, with noise; where a case can have several findings, all of them as of one."""
        session, has_classes = self.session, tasks.of(self.session.plan.data).one_class_per_case

        def make() -> Told:
            labels, classes = session.cohort["train"].labels, len(session.plan.data.classes)
            if not has_classes:
                labels, classes = torch.zeros(len(labels), dtype=torch.int64), 1
            found = noisy_counts(labels, classes, self._patients, self.budget.counts)
            return {COUNTS: torch.tensor(found, dtype=torch.int64)}

        return tuple(self._told(COUNTS, "", 1, make)[COUNTS].tolist())

    def moments(self) -> Moments:
        """Moments of the features before any training, with noise.

        Raises:
            PrivacyError: the plan was charged without them.
        """
        session, noise = self.session, self.budget.moments
        if noise is None or session.scaling is None:
            raise PrivacyError("the plan asks for no moments of features")
        scaling, cases = session.scaling, sum(self.counts())

        def make() -> Told:
            session.model.load(session.initial)
            found = noisy_moments(scaling.features, self._patients, cases, noise, self.parties)
            return {"mean": found.mean, "squares": found.squares}

        told = self._told(MOMENTS, "", 1, make)
        return Moments(cases, told["mean"], told["squares"])

    def gradient(self, order: Instruction, received: Told, summed: SummedLoss) -> dict[str, Tensor]:
        """The gradient by name in the head, with noise, at the weights that came.

        Args:
            summed: of the training cases at these weights, without noise.
        """
        session, section = self.session, self.session.plan.privacy
        key = key_of(str(order.round), str(order.class_counts), tensors.digest(received))

        def make() -> Told:
            inputs, noise = session.full_batch.views[0], self.budget.gradients
            weight, bias = noisy_gradient(summed.residuals, inputs, self._patients, section.clip, noise, self.parties)
            return {WEIGHT: weight, BIAS: bias}

        told = self._told(GRADIENT, key, section.steps, make)
        return {name: told[name] for name in summed.gradient}

    def start(self, key: str, start: BearsNoise, features: Callable[[], Tensor]) -> dict[str, Tensor]:
        """The sums from which the head is solved, with noise, and the counts as they were told before.

        Args:
            key: of the question.
            features: gives those of the training cases, as the head's weights see them.
        """
        session, classes = self.session, len(self.session.plan.data.classes)

        def make() -> Told:
            labels, noise = session.cohort["train"].labels, self.budget.gradients
            return noisy_start(start, features(), labels, classes, self._patients, noise, self.parties)

        told = dict(self._told(START, key_of(key), 1, make))
        return {**told, CLASSES: torch.tensor(self.counts(), dtype=torch.float64)}

    @property
    def steps(self) -> NoisySteps:
        """The steps of a round."""
        session, section, budget = self.session, self.session.plan.privacy, self.budget
        steps, count = budget.steps // session.plan.rounds, sum(self.counts())
        return NoisySteps(steps, self._patients, count, section.clip, budget.gradients, budget.sampled)

    def trained(self, number: int, received: Told, train: Callable[[], Told]) -> Told:
        """The shared tensors after a round's noisy steps, by name; of the same round from the same ones the same.

        Args:
            number: of the round.
            train: takes the steps.
        """
        session = self.session

        def make() -> Told:
            found = train()  # killed before it is charged, nothing of it has left
            self._account.answer(session.run, session.plan.digest, TRAINED, session.plan.rounds)
            return found

        path = (session.site.state, session.run, TRAINED, key_of(str(number), tensors.digest(received)))
        return told_before(*path, make, self._account.durable)

    def figures(self, received: Told, outputs: Mapping[str, NDArray[np.float32]]) -> dict[str, Tensor]:
        """Counts of validation and test patients by class and score, with noise, by split; also where there are none.

        Args:
            outputs: of the network, by split, in the order of its cases.

        Raises:
            PrivacyError: the plan was charged without them.
        """
        session, noise = self.session, self.budget.evaluation
        if noise is None:
            raise PrivacyError("the plan asks for no figures")
        counted, task = Counted(len(session.plan.data.classes)), tasks.of(session.plan.data)

        def make() -> Told:
            found = {}
            for split in SPLITS:
                cases, cells = session.accepted.splits[split], np.zeros((0, 1), np.int64)
                if split in outputs:
                    cells = counted.cells(task.scores(outputs[split]), cases.labels.numpy())
                found[split] = noisy_cells(cells, counted, Patients(cases.patients), noise, self.parties)
            return found

        return dict(self._told(FIGURES, key_of(tensors.digest(received)), 1, make))

    def _told(self, what: str, key: str, most: int, make: Callable[[], Told]) -> Told:
        session, account = self.session, self._account
        digest = session.plan.digest

        def charged() -> Told:
            account.answer(session.run, digest, what, most, "" if what == COUNTS else self.sum_key)
            return make()

        if self.parties > 1 and what != COUNTS:  # the same numbers in two sums over other sites would tell of one site
            return charged()
        return told_before(session.site.state, session.run, what, key_of(digest, key), charged, account.durable)

    @cached_property
    def _patients(self) -> Patients:
        return Patients(self.session.patients)

    @property
    def _account(self) -> PrivacyAccount:
        return self.session.told
