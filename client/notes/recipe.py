"""How notes are varied: the shares of words, the ways, and what the site has for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from fedgraft.client.notes.edits import with_deletions, with_swaps, with_synonyms
from fedgraft.client.notes.translation import Translate
from fedgraft.client.notes.wordnet import Thesaurus
from fedgraft.common.errors import PlanError

Way = Callable[[str, np.random.Generator], str]
"""A sentence -> the sentence changed, or the same."""


@dataclass(frozen=True)
class Recipe:
    """What a copy may change.

    Attributes:
        copies: of each note, besides the note itself.
        synonyms, swap, delete: the share of a sentence's words, 0 to 0.5; 0 leaves the way out.
        translate: whether there is a way through another language and back.
        guard: whether a changed sentence must pass `fedgraft.client.notes.guard`.

    Raises:
        PlanError: a number is out of range, or no way is on.
    """

    copies: int = 4
    synonyms: float = 0.0
    swap: float = 0.0
    delete: float = 0.0
    translate: bool = False
    guard: bool = True

    def __post_init__(self) -> None:
        shares = {"synonyms": self.synonyms, "swap": self.swap, "delete": self.delete}
        wrong = [
            f"{name}={share:g} must be between 0 and 0.5" for name, share in shares.items() if not 0 <= share <= 0.5
        ]
        if self.copies < 1:
            wrong.append(f"copies={self.copies} must be 1 or more")
        if not wrong and not self.translate and not any(shares.values()):
            wrong.append("copies of notes would be the notes: set synonyms, swap, delete or translate")
        if wrong:
            raise PlanError(wrong)


@dataclass(frozen=True)
class Sources:
    """What the site has: a thesaurus and a translator (sentences there and back), or ``None``."""

    thesaurus: Thesaurus | None = None
    translate: Translate | None = None


def ways_of(recipe: Recipe, sources: Sources) -> Mapping[str, Way]:
    """The ways of a recipe by name, in their order.

    Raises:
        PlanError: the site has no thesaurus, or no translator, and the recipe asks for one.
    """
    ways: dict[str, Way] = {}
    kept = recipe.guard
    if recipe.synonyms:
        thesaurus = sources.thesaurus
        if thesaurus is None:
            raise PlanError(
                "synonyms need a thesaurus: name a folder of WordNet (Debian: wordnet-base), or set synonyms=0"
            )
        ways["synonyms"] = lambda text, rng: with_synonyms(text, thesaurus, recipe.synonyms, kept, rng)
    if recipe.swap:
        ways["swap"] = lambda text, rng: with_swaps(text, recipe.swap, kept, rng)
    if recipe.delete:
        ways["delete"] = lambda text, rng: with_deletions(text, recipe.delete, kept, rng)
    if recipe.translate:
        translate = sources.translate
        if translate is None:
            raise PlanError("translate=true needs a translator: name `apertium` or package.module:function")
        ways["translate"] = lambda text, rng: translate([text])[0]
    return ways
