"""Views of notes as a plan's ``augment.notes`` asks for them: view 0 is the note, each other a copy under the guard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fedgraft.client.notes.copies import view_of
from fedgraft.client.notes.recipe import Recipe, Sources
from fedgraft.client.notes.translation import named, remembered
from fedgraft.client.notes.wordnet import WordNet
from fedgraft.client.notes.words import is_blank, sentences_of
from fedgraft.client.site.limits import NoteTools
from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan


@dataclass(frozen=True)
class NoteViews:
    """Makes them. What a view is follows from the plan's seed, the note and the view's number."""

    recipe: Recipe
    sources: Sources
    seed: int

    def texts(self, wanted: Sequence[tuple[str, int]]) -> list[str]:
        """The text of each note in the view beside it; the note itself where nothing could be changed, or not well."""
        translate = self.sources.translate
        if self.recipe.translate and translate is not None:  # all in one batch; it is remembered
            translate([piece for note, view in wanted if view for piece in sentences_of(note) if not is_blank(piece)])
        return [view_of(note, self.recipe, self.sources, self.seed, view) for note, view in wanted]


def views_of(plan: Plan, tools: NoteTools) -> NoteViews | None:
    """The views of a plan, with what the site has; ``None`` if there is only the note as it is.

    Raises:
        DataError: the thesaurus or the translator that the site names is not there.
        PlanError: the plan asks for a translator, and the site names none.
    """
    asked = plan.augment.notes
    if not asked.on:
        return None
    recipe = Recipe(plan.augment.views - 1, asked.synonyms, asked.swap, asked.delete, asked.translate, asked.guard)
    thesaurus = WordNet(tools.wordnet, asked.senses) if asked.synonyms else None
    if asked.translate and tools.translator is None:
        raise PlanError("augment.notes.translate=true, and this site's site.yaml names no notes.translator")
    translate = remembered(named(tools.translator)) if asked.translate and tools.translator is not None else None
    return NoteViews(recipe, Sources(thesaurus, translate), plan.seed)
