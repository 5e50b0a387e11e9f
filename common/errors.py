"""The errors that a user can meet. Each message names the file or option, and says what to do about it.

An error also carries a short ``code``. At a site the code is all that leaves the house
(an exception's text can name a patient's file); the text stays in the site's own log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fedgraft.common.causes import CAUSES, UNEXPECTED, machine_cause

PREFIX = "fedgraft:"
CLIENT_APP_RAISED_EXCEPTION = 2  # flwr.common.constant.ErrorCode


class FedGraftError(Exception):
    """Base of all errors that are the user's to solve; shown without a traceback, exit code 2."""

    code = "error"


class PlanError(FedGraftError):
    """The plan is not valid. Holds every problem found, not only the first.

    Args:
        problems: one sentence each, naming the option and what to do.
    """

    code = "plan-invalid"

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        lines = "\n".join(f"  - {problem}" for problem in self.problems)
        count = len(self.problems)
        super().__init__(f"the plan has {count} problem{'s' if count != 1 else ''}:\n{lines}")


class InertError(PlanError):
    """Options of a valid plan would change nothing with the cases that the sites have.

    Args:
        problems: as `PlanError`, by the option that each is about (``loss.weights``, ``sampling``).
    """

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.options = tuple(problems)
        super().__init__(tuple(problems.values()))


class DivergenceError(PlanError):
    """Training went to numbers that are not finite."""

    code = "diverged"


class DataError(FedGraftError):
    """A cohort, a manifest or a data set can't be used."""

    code = "data-unusable"


class WrongKindError(DataError):
    """The plan is for another kind of data than a site has."""

    code = "wrong-kind"


class LostCaseError(DataError):
    """Cases of which a site told in a run can't be read any more: what it would tell next would give them away."""

    code = "case-lost"


class AccountError(FedGraftError):
    """An answer, beside those that were given before, would tell of fewer patients than ``release.min_count``."""

    code = "few-differ"


class SiteFileError(FedGraftError):
    """The hospital's own file (``site.yaml``) is wrong or forbids what the plan needs."""

    code = "site-file"


class MissingTextError(SiteFileError):
    """A plan counts texts of a table as missing that the site does not list."""

    code = "missing-texts"


class BackboneError(FedGraftError):
    """Backbone weights are missing, do not fit, or do not have the announced digest."""

    code = "backbone"


class ModelError(FedGraftError):
    """A model's folder is not as it was written, or the model can't be used here."""

    code = "model"


class WireError(FedGraftError):
    """A message does not hold what the plan says it must."""

    code = "wire"


class FenceError(FedGraftError):
    """A site refuses what a coordinator asks, since it could show single patients. The text is of names and numbers of
    the plan and of the site file, so that the site writes it into its log."""

    code = "fence"


class UnapprovedError(FedGraftError):
    """Nobody at the site has approved the plan yet: nothing was done for it."""

    code = "unapproved"


class PlanRefusedError(FedGraftError):
    """Somebody at the site has refused the plan, or revoked its approval."""

    code = "plan-refused"


class BoundsError(FenceError):
    """The plan, or a message, asks for more than ``bounds`` in the site file allows.

    Args:
        problems: one sentence each, with the name, the value and the bound.
    """

    code = "bounds"

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("; ".join(self.problems))


class AskedBeforeError(FenceError):
    """A round, or a run, that was answered is asked for again with other content."""

    code = "asked-before"


class FewPatientsError(FenceError):
    """The site has fewer training patients than its ``release.min_count``."""

    code = "few-patients"


class RoleError(FenceError):
    """The site's own file says that it does not train, or takes part in no run."""

    code = "role"


class FewCasesError(FenceError):
    """An update or a gradient rests on too few patients, though the site has more."""

    code = "few-cases"


class SecureError(FenceError):
    """A site refuses a step of secure aggregation, or the coordinator could not take a sum's masks off."""

    code = "secure"


class SecureRangeError(SecureError):
    """A number is too large for the words in which it is summed securely."""

    code = "secure-range"


class FewSitesError(SecureError):
    """A sum would be over fewer sites than its threshold, or than the site's ``secure.at_least``."""

    code = "secure-few"


class UnknownSiteError(SecureError):
    """A site that is not in ``secure.known`` would take part in the sum, or its key is not signed."""

    code = "secure-unknown"


class WithheldError(SecureError):
    """A site withholds by its own rules what is summed securely, and has no part in the sum."""

    code = "secure-withheld"


class PrivacyError(FenceError):
    """A plan without differential privacy at a site that asks for it, or a question that a private plan leaves out."""

    code = "privacy"


class PrivacySpentError(PrivacyError):
    """The site's privacy budget, or that of a run, does not suffice for another answer."""

    code = "privacy-spent"


class RoundError(FedGraftError):
    """A round could not be completed: too few sites sent a usable update."""

    code = "round"


class UndefinedFigureError(RoundError):
    """No validation case by which a model could be chosen gives a defined figure."""


class CheckpointError(FedGraftError):
    """A run can't be resumed: it left no checkpoint, or none that is whole, or is of another plan."""

    code = "checkpoint"


class ClusterError(FedGraftError):
    """A Ray cluster can't be joined, or its nodes can't carry out the run."""

    code = "cluster"


class DeploymentError(FedGraftError):
    """A coordinator or site process could not be started, reached or authenticated."""

    code = "deployment"


def known_codes(root: type[FedGraftError] = FedGraftError) -> frozenset[str]:
    """The codes of our own errors: the only words about a failure that may leave a site."""
    below = frozenset[str]().union(*(known_codes(kind) for kind in root.__subclasses__()))
    return below | {root.code, *CAUSES}


def code_of(error: BaseException) -> str:
    """The code of an exception: what the machine lacked if that is behind it, else its own."""
    own = error.code if isinstance(error, FedGraftError) else None
    return machine_cause(error, own is None) or own or UNEXPECTED


def reason_of(error: BaseException) -> str:
    """All that an exception may say outside this site: ``fedgraft:`` and its code."""
    return PREFIX + code_of(error)


def safe_reason(reason: str | None) -> str:
    """The reason itself if it is ``fedgraft:`` and a known code, else ``fedgraft:unexpected``."""
    code = (reason or "").removeprefix(PREFIX)
    return PREFIX + (code if code in known_codes() else UNEXPECTED)


def first_line(error: BaseException) -> str:
    """The first line of an error's text; the name of its class if it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
