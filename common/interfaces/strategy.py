"""What FedGraft must know of a strategy besides its arithmetic.

A strategy of one's own says it by class attributes; Flower's own classes can't, and are told apart here.
"""

from __future__ import annotations

from flwr.serverapp.strategy import (
    DifferentialPrivacyClientSideAdaptiveClipping,
    DifferentialPrivacyClientSideFixedClipping,
    DifferentialPrivacyServerSideAdaptiveClipping,
    DifferentialPrivacyServerSideFixedClipping,
    FedAdagrad,
    FedAdam,
    FedAvg,
    FedAvgM,
    FedProx,
    FedYogi,
)

FLOWER = "flwr.serverapp.strategy"
LOSS = "train_loss"
"""In the metrics of an update, as Flower's QFedAvg reads it: the mean training loss."""
_CLIPS_AT_SITES = (DifferentialPrivacyClientSideAdaptiveClipping, DifferentialPrivacyClientSideFixedClipping)
_PRIVATE = (
    *_CLIPS_AT_SITES,
    DifferentialPrivacyServerSideAdaptiveClipping,
    DifferentialPrivacyServerSideFixedClipping,
)
_STEPS = (FedAdagrad, FedAdam, FedAvgM, FedYogi)


def is_private(strategy: type) -> bool:
    """Whether it clips updates and adds noise to their mean, for differential privacy (``is_private``): what sites tell
    besides is then unprotected."""
    return issubclass(strategy, _PRIVATE) or bool(getattr(strategy, "is_private", False))


def clips_at_sites(strategy: type) -> bool:
    """Whether it relies on one of Flower's mods at the sites."""
    return issubclass(strategy, _CLIPS_AT_SITES)


def takes_steps(strategy: type) -> bool:
    """Whether the new tensors may lie outside of the updates, as after a step of Adam or of momentum
    (``takes_steps``)."""
    return issubclass(strategy, _STEPS) or bool(getattr(strategy, "takes_steps", False))


def is_mean(strategy: type) -> bool:
    """Whether the new tensors are the updates' mean, weighted by cases, and nothing else; a class derived from one of
    these may do anything."""
    return strategy in (FedAvg, FedProx)


def sums_gradients(strategy: type) -> bool:
    """Whether sites do not train, but tell their loss and its gradient, summed over all their training cases
    (``sums_gradients``); the coordinator then minimises the sum over the sites."""
    return bool(getattr(strategy, "sums_gradients", False))


def needs_losses(strategy: type) -> bool:
    """Whether it needs the training loss of every site (``needs_losses``); Flower's QFedAvg says so itself."""
    return bool(getattr(strategy, "needs_losses", False))
