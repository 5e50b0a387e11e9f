"""``fedgraft augment --show --notes``: notes beside their copies, before anything is trained on them."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from fedgraft.client.check.reading import spread
from fedgraft.client.notes.copies import Copies, copies_of
from fedgraft.client.notes.files import read_notes
from fedgraft.client.notes.marked import marked
from fedgraft.client.notes.recipe import Recipe, Sources
from fedgraft.client.notes.samples import SAMPLES
from fedgraft.client.notes.translation import named
from fedgraft.client.notes.wordnet import DEBIAN, WordNet
from fedgraft.client.notes.words import is_blank, sentences_of
from fedgraft.common.errors import DataError, PlanError
from fedgraft.common.runtime.processes import say

BUILT_IN = "samples"
DESCRIPTION = """\
Prints notes and their copies, with each change as [what the note says -> what the copy says], and counts what the guard
threw away. Of a file the notes are printed as they are: patients' own words stay on this screen; write them nowhere.
"""
EPILOG = """\
examples:
  fedgraft augment --show --notes samples --synonyms 0.1 --swap 0.1        four notes that come with FedGraft
  fedgraft augment --show --notes samples --translator apertium            there and back, offline
  fedgraft augment --show --notes samples --translator apertium --no-guard what the guard is for
  fedgraft augment --show --notes notes.csv --column text --delete 0.1     a hospital's own
"""


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Raises:
        PlanError: an option is out of range, or there is nothing to change.
        DataError: the notes, the thesaurus or the translator can't be used.
    """
    given = _parser().parse_args(arguments)
    if given.cases < 1:
        raise PlanError(f"--cases {given.cases} must be 1 or more")
    recipe = Recipe(
        given.copies, given.synonyms, given.swap, given.delete, given.translator is not None, not given.no_guard
    )
    notes = list(SAMPLES) if given.notes == BUILT_IN else read_notes(Path(given.notes), given.column)
    if not notes:
        raise DataError(f"{given.notes} has no notes")
    thesaurus = WordNet(given.wordnet, given.senses) if given.synonyms else None
    sources = Sources(thesaurus, None if given.translator is None else named(given.translator))
    chosen = spread(given.cases, notes)
    made = copies_of(chosen, recipe, sources, given.seed)
    for number, (note, copies) in enumerate(zip(chosen, made, strict=True), start=1):
        say("\n".join(_shown(number, note, copies)))
    say("\n".join(_total(made, recipe)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fedgraft augment --show --notes",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--show", action="store_true", required=True, help="print them")
    parser.add_argument(
        "--notes", required=True, metavar="FILE", help=f"CSV, Parquet or text; `{BUILT_IN}`: some of FedGraft's own"
    )
    parser.add_argument("--column", default="text", help="of the table that holds the notes (default: %(default)s)")
    parser.add_argument("--cases", type=int, default=4, metavar="N", help="how many notes (default: %(default)s)")
    parser.add_argument("--copies", type=int, default=4, metavar="N", help="of each note (default: %(default)s)")
    for name, what in (("synonyms", "replaced"), ("swap", "exchanged"), ("delete", "left out")):
        parser.add_argument(f"--{name}", type=float, default=0.0, metavar="SHARE", help=f"of the words that are {what}")
    parser.add_argument("--translator", metavar="NAME", help="`apertium`, or package.module:function: there and back")
    parser.add_argument("--wordnet", type=Path, default=DEBIAN, help="a folder of WordNet 3.0 (default: %(default)s)")
    parser.add_argument(
        "--senses",
        choices=("shared", "every"),
        default="shared",
        help="synonyms of the most frequent sense, or of every sense (default: %(default)s)",
    )
    parser.add_argument("--no-guard", action="store_true", help="show also what says something else")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    return parser


def _shown(number: int, note: str, made: Copies) -> Iterator[str]:
    sentences = sum(not is_blank(piece) for piece in sentences_of(note))
    yield f"note {number}"
    yield f"  {note}"
    for copy in made.kept:
        yield f"by {copy.way}, {copy.sentences} of {sentences} sentences"
        yield f"  {marked(note, copy.text)}"
    if made.same:
        yield f"{made.same} more would be equal to the note or to another copy"
    yield ""


def _total(made: Sequence[Copies], recipe: Recipe) -> Iterator[str]:
    """How many sentences each way changed, and what the guard did with them."""
    proposed: Counter[str] = Counter()
    thrown: Counter[tuple[str, str]] = Counter()
    for one in made:
        proposed += one.proposed
        thrown += one.thrown
    yield f"{sum(len(one.kept) for one in made)} copies of {len(made)} notes"
    for way in sorted(proposed):
        reasons = ", ".join(f"{reason} {count}" for (by, reason), count in thrown.most_common() if by == way)
        guarded = f"thrown away: {reasons or 'none'}" if recipe.guard else "no guard: some may say something else"
        yield f"  {way}: {proposed[way]} sentences changed; {guarded}"
