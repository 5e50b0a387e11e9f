"""How often the 95 % interval of a C-index covers the true one, by the number of test cases.

    python benchmarks/c_index_interval.py [--draws 2000] [--cases 10 20 40 100]

Hazards are normal, times exponential with rate exp(beta hazard), censoring exponential with mean 1 (about half of the
cases). The true C-index is that of 20,000 cases. Prints per beta and number of cases: mean events, how often the
interval covers, its mean width.
"""

from __future__ import annotations

import argparse
from statistics import mean

import numpy as np

from fedgraft.common.tasks.survival import Survival, SurvivalEvaluation

BETAS = (0.0, 0.5, 1.5)
MANY = 20_000


def drawn(rng: np.random.Generator, cases: int, beta: float) -> SurvivalEvaluation:
    hazard = rng.normal(size=cases)
    time, censored = rng.exponential(np.exp(-beta * hazard)), rng.exponential(1.0, cases)
    labels = np.stack([np.minimum(time, censored), time <= censored], axis=1)
    (found,) = Survival().evaluate_parts(hazard[:, None], labels, [cases])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--cases", type=int, nargs="+", default=[10, 20, 40, 100])
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    print("| beta | true C-index | cases | events | covered | width |")
    for beta in BETAS:
        whole = drawn(rng, MANY, beta).ranking()
        assert whole is not None
        for cases in given.cases:
            found = [drawn(rng, cases, beta) for _ in range(given.draws)]
            ends = [one.interval for one in (each.ranking() for each in found) if one is not None]
            covered = mean(low <= whole.value <= high for low, high in ends)
            width = mean(high - low for low, high in ends)
            events = mean(one.events for one in found)
            print(
                f"| {beta:g} | {whole.value:.3f} | {cases} | {events:.1f} | {covered:.3f} | {width:.2f} |", flush=True
            )


if __name__ == "__main__":
    main()
