"""Notes as inputs: keys, duplicates, batches, and the words of an explanation."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.inputs import CaseView, InputContext, Inputs, factory_of
from fedgraft.client.cohort.quarantine import CaseError, reason_of
from fedgraft.client.cohort.shown import InColumns
from fedgraft.client.site.row_store import Store
from fedgraft.client.text.inputs import TextInputs
from fedgraft.common.errors import DataError, PlanError
from fedgraft.common.interfaces.inputs import ArraySpec
from fedgraft.common.kinds.choice import kind_of
from fedgraft.common.plan.plan import Plan

PlanOf = Callable[..., Plan]
Words = Callable[..., tuple[str, ...]]
LONG = "no pleural effusion heart size normal no pain no pleural effusion heart size"


def case(note: str, row: int = 0, patient: str = "p") -> Case:
    return Case("/x/manifest.csv", "a", patient, row, columns=(("text", note),))


@pytest.fixture
def plan_of(compose_plan: PlanOf) -> PlanOf:
    return lambda *words: compose_plan(*words, small=False)


@pytest.fixture
def inputs(plan_of: PlanOf, of_encoder: Words) -> TextInputs:
    plan = plan_of(*of_encoder("features=taps_hashed", "features.buckets=64"))
    context = InputContext(plan, ("fedgraft",), Store(None))
    made = factory_of(context.kind, ("fedgraft",)).inputs(context)
    assert isinstance(made, TextInputs) and isinstance(made, InColumns)
    return made


def test_a_note_is_tokens_then_hashed_words(inputs: TextInputs) -> None:
    cases = [case(LONG), case("pain", 1)]
    ((part, found),) = inputs.batches([CaseView(one) for one in cases], 8)
    assert (part, found.shape, found.dtype) == (slice(0, 2), (2, 3 * 8 + 64), torch.float32)
    assert found[1, :4].tolist() == [3, 11, 4, 0]
    assert float(found[0, 24:].square().sum()) == pytest.approx(64, rel=1e-4)


def test_batches_are_small_where_notes_are_long_and_cover_all_in_order(inputs: TextInputs) -> None:
    wanted = [CaseView(case(LONG if row % 2 else "pain", row)) for row in range(70)]
    parts = list(inputs.batches(wanted, 1000))
    assert [at for part, _ in parts for at in range(part.start, part.stop)] == list(range(70))
    assert all(len(found) == part.stop - part.start for part, found in parts) and len(parts) > 2
    assert list(inputs.batches([], 8)) == []


def test_equal_notes_have_one_key_and_are_duplicates_only_if_they_are_long(inputs: TextInputs) -> None:
    """ "No known allergies." is said of many patients; a long text is written once."""
    cases = [case(LONG), case(LONG.upper(), 1), case("no pain", 2), case("no pain", 3, "q")]
    keys, digests = inputs.keys([CaseView(one) for one in cases]), inputs.digests(cases)
    assert keys[2] == keys[3] and keys[0] != keys[1]
    assert digests[0] == digests[1] and digests[2] != digests[3]


def test_what_can_t_be_used_has_its_reason_and_no_key(inputs: TextInputs) -> None:
    verdicts = inputs.verdicts([case("..."), case("pain", 1)])
    assert [reason_of(verdict) for verdict in verdicts] == ["empty", None]
    assert inputs.digests([case("...")]) == [b""]
    with pytest.raises(CaseError):
        inputs.keys([CaseView(case("..."))])
    with pytest.raises(DataError, match=r"a note has no other view than itself; set augment\.views=1"):
        inputs.keys([CaseView(case("pain"), 1)])


def test_the_fingerprint_changes_with_what_inputs_depend_on(plan_of: PlanOf, of_encoder: Words) -> None:
    def made(*words: str) -> Inputs:
        context = InputContext(plan_of(*of_encoder(*words)), ("fedgraft",), Store(None))
        return factory_of(context.kind, ("fedgraft",)).inputs(context)

    some = [made(), made("backbone.overlap=1"), made("features=taps_hashed", "features.buckets=64"), made("rounds=3")]
    assert len({one.fingerprint for one in some}) == 3 and some[0].fingerprint == some[3].fingerprint


def test_an_explanation_takes_out_one_word_at_a_time(inputs: TextInputs) -> None:
    """Six tokens of a window are the note's own; the next has its last two, and three more."""
    found = inputs.stand_ins(case("Pain, no effusion of the heart. PAIN"), torch.zeros(1))
    assert [(one.column, one.cell) for one in found] == [
        ("window 1 of 2", "Pain, no effusion of the …"),
        ("window 2 of 2", "of the heart. PAIN …"),
        ("pain", "2 times"),
        ("no", "once"),
        ("effusion", "once"),
        ("heart", "once"),
    ]
    assert found[2].rows[0, :24].tolist() == inputs.encoded([", no effusion of the heart."])[0, :24].tolist()
    whole = inputs.encoded(["Pain, no effusion of the heart. PAIN"])[0]
    assert found[0].rows[0].tolist() == [*[0.0] * 8, *whole[8:]]
    assert found[1].rows[0].tolist() == [*whole[:8], *[0.0] * 8, *whole[16:]]
    alone = inputs.stand_ins(case("no pain"), torch.zeros(1))
    assert [one.column for one in alone] == ["no", "pain"]  # of one window nothing would be left


def test_a_factory_of_notes_wants_a_kind_that_says_how_they_are_read(plan_of: PlanOf) -> None:
    from fedgraft.client.text.factory import text_of

    class Other:
        def spec(self) -> ArraySpec:
            return ArraySpec((1,))

    with pytest.raises(PlanError, match="input: Other does not say how notes are read"):
        text_of(Other())  # type: ignore[arg-type]
    assert text_of(kind_of(plan_of("input=text", "backbone=hashed_words"))).column == "text"
