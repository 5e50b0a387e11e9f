"""A site with fewer training patients than ``release.min_patients`` sends no update, no gradient and no loss.

What it would send would be of these few. It is prepared, and evaluates the final model, as a site in ``hold_out`` does.
"""

from __future__ import annotations

from collections.abc import Iterable

from fedgraft.common.errors import FewPatientsError


def too_few(patients: Iterable[str], least: int) -> bool:
    """Whether cases are of fewer patients than ``least``.

    Args:
        patients: of each case.
    """
    return len(set(patients)) < least


def require_patients(patients: Iterable[str], least: int) -> None:
    """
    Raises:
        FewPatientsError: the training cases are of fewer patients than ``least``.
    """
    if too_few(patients, least):
        raise FewPatientsError(
            f"fewer than {least} training patients (release.min_patients, or min_count): no update, gradient or loss"
        )
