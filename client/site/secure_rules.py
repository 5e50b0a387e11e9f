"""What a site asks of secure sums, in its own file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field


@dataclass(frozen=True)
class SecureRules:
    """``secure`` in ``site.yaml``.

    Attributes:
        at_least: the fewest sites, this one included, over which it lets a sum be made.
        known: public keys of other hospitals, as their ``.pub`` files have them, which it had from elsewhere than the
            coordinator; it then sums with these only. Empty: it takes the coordinator's word for who is a hospital.
        required: whether it refuses plans without ``aggregation.secure``.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    at_least: Annotated[int, Field(ge=2)] = 3
    known: tuple[Annotated[str, Field(pattern=r"^\s*ecdsa-sha2-nistp384 [A-Za-z0-9+/=]+(\s.*)?$")], ...] = ()
    required: bool = False

    @property
    def known_keys(self) -> frozenset[bytes]:
        """`known` without comments."""
        return frozenset(b" ".join(line.encode().split()[:2]) for line in self.known)
