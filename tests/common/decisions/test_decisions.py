import json

import numpy as np
import pytest

from fedgraft.common.decisions.decisions import Decisions, from_json, rules_of
from fedgraft.common.decisions.flags import named, reasons
from fedgraft.common.errors import DataError
from fedgraft.common.interfaces.scores import ScoreCounts
from fedgraft.common.plan.evidence_sections import DecideSection
from fedgraft.common.tasks import TASKS

CLASSES = ("healthy", "sick")
TASK = TASKS["classification"](CLASSES)


def line(shift: float, cases: int) -> tuple[ScoreCounts, ...]:
    scores = np.linspace(-3, 3, cases)
    return (ScoreCounts(scores, (scores < shift).astype(int), (scores >= shift).astype(int)),)


def made(by_site: str = "own", **options: object) -> Decisions:
    section = DecideSection(by_site=by_site, **options)
    pooled, own = line(0.0, 200), line(1.0, 100)
    sites = {"north": rules_of(TASK, section, own, pooled)}
    return Decisions("classification", CLASSES, section, rules_of(TASK, section, None, pooled), sites)


def test_plain_data_and_back():
    found = made()
    assert from_json(found.to_json()) == found
    assert found.to_json() == made().to_json()


def test_a_site_decides_by_its_own_cases_others_by_all():
    found = made()
    assert found.rules("north").thresholds[0] == pytest.approx(1.0, abs=0.1)
    assert found.rules("south") == found.rules(None) == found.pooled
    assert found.pooled.thresholds[0] == pytest.approx(0.0, abs=0.05)
    shrunk = made("shrunk", cases=1000.0).rules("north").limits
    assert abs(shrunk[0] - found.pooled.limits[0]) < abs(found.rules("north").limits[0] - found.pooled.limits[0])


def test_too_few_cases_leave_every_answer_in_the_set():
    section = DecideSection(by_site="own", coverage=0.99)
    rules = rules_of(TASK, section, line(0.0, 20), line(0.0, 200))
    assert rules.limits == (None, None)
    assert rules.cautious == (None,)
    decisions = Decisions("classification", CLASSES, section, rules)
    assert decisions.sets(np.array([[-50.0], [50.0]])).all()


def test_sets_and_reasons():
    found = made(coverage=0.9)
    scores = np.array([[-3.0], [3.0], [0.0]])
    sets = found.sets(scores)
    assert [named(TASK.answers, each) for each in sets[:2]] == ["healthy", "sick"]
    assert reasons(TASK.answers, sets[:2]) == [(), ()]
    assert reasons(TASK.answers, np.array([[True, True], [False, False]])) == [
        ("could be healthy or sick",),
        ("no answer fits",),
    ]
    near = np.array([[0.01], [0.2], [np.nan]])
    assert reasons(TASK.answers, np.tile([True, False], (3, 1)), near, 0.05) == [("close to the threshold",), (), ()]


def test_findings_are_named_one_by_one():
    task = TASKS["multilabel"](("edema", "effusion"))
    members = np.array([True, False, True, True])
    assert named(task.answers, members) == "edema=no; effusion=no|yes"
    assert reasons(task.answers, members[None]) == [("effusion: could be no or yes",)]


def test_content_that_is_not_decisions_is_refused():
    with pytest.raises(DataError, match="the decisions can't be read: the file: invalid json"):
        from_json("{")
    plain = json.loads(made().to_json())
    with pytest.raises(DataError, match="the decisions can't be read: other: unexpected keyword argument"):
        from_json(json.dumps({**plain, "other": 1}))
    with pytest.raises(DataError, match="they don't fit the classes of a known task"):
        from_json(json.dumps({**plain, "classes": ["a", "b", "c"]}))
    with pytest.raises(DataError, match="they don't fit the classes of a known task"):
        from_json(json.dumps({**plain, "task": "unheard"}))
