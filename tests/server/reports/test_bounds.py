"""What the bounds did, in words and figures."""

from __future__ import annotations

from fedgraft.common import tasks
from fedgraft.server.bounds.judgement import Figures
from fedgraft.server.bounds.likeness import Likeness
from fedgraft.server.checkpoints.finished_rounds import round_from, round_values
from fedgraft.server.reports.bounds import bounds_figures, bounds_sentences, round_sentences, update_figures
from fedgraft.server.rounds.state import Round

TASK = tasks.TASKS["classification"](("clear", "lesion"))
AGAINST, ALONG = Likeness(-0.8, -0.5, 0.6), Likeness(0.7, 0.3, 0.6)


def rounds() -> tuple[Round, ...]:
    fine = {"north": Figures(1.0, 1.0, 1.0, 50, 50, "", ALONG)}
    first = {**fine, "south": Figures(3.0, 3.0, 0.5, 50, 50, "", AGAINST, 2.5, 0.6), "west": Figures(9.0, 9.0, 0.0)}
    second = {**fine, "south": Figures(1.0, 1.0, 1.0, 20, 80, "registered", AGAINST)}
    return (Round(0, TASK), Round(1, TASK, updates=first), Round(2, TASK, updates=second))


def test_all_is_told_by_round_and_site() -> None:
    assert bounds_figures(rounds()) == {
        "refused": [{"round": 1, "site": "west", "ratio": 9.0, "kept": 0.0}],
        "clipped": [{"round": 1, "site": "south", "ratio": 3.0, "kept": 0.5}],
        "moved": [{"round": 1, "site": "south", "apart": 2.5, "left": 0.6}],
        "counted": [{"round": 2, "site": "south", "cases": 20, "told": 80, "because": "registered"}],
        "against": {"south": [1, 2]},
    }
    assert update_figures(rounds()[1])["south"] == {
        "norm": 3.0,
        "ratio": 3.0,
        "kept": 0.5,
        "cosine": -0.8,
        "effect": -0.5,
        "apart": 2.5,
        "left": 0.6,
    }


def test_who_is_named_in_the_warnings_and_on_the_console() -> None:
    west, south, moved, counted, against = bounds_sentences(rounds())
    assert west == (
        "west: its update was refused for its length in 1 of 2 round(s), at most 9 times as long as the sites' median"
    )
    assert south.startswith("south: its update was shortened in 1 of 2 round(s), at most 3 times")
    assert moved == (
        "south: its update was moved towards the others' in 1 of 2 round(s), at most 2.5 times as far from them as the "
        "sites' median"
    )
    assert counted == "south told 80 training cases, and counted as 20, which are registered for it"
    assert against.startswith("south: its update pulled against the others', which agreed among themselves, in 2 of 2")
    assert round_sentences(rounds()[1]) == [
        "south: clipped: its update was 3 times as long as the sites' median, and 0.5 of it is used; moved: its update "
        "was 2.5 times as far from the others' as the sites' median, and was moved towards them to 0.6 of that",
        "west: refused: its update was far too long",
    ]


def test_an_honest_run_warns_of_nothing() -> None:
    assert bounds_sentences((rounds()[0],)) == []
    assert round_sentences(rounds()[0]) == []


def test_a_checkpoint_holds_it() -> None:
    for one in rounds():
        assert round_from(round_values(one), TASK) == one
    older = {name: value for name, value in round_values(rounds()[0]).items() if name != "updates"}
    assert round_from(older, TASK) == rounds()[0]
