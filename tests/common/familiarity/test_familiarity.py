import math

import pytest
import torch

from fedgraft.common.errors import DataError
from fedgraft.common.familiarity.distances import counted
from fedgraft.common.familiarity.familiarity import Familiar, Familiarity, from_json
from fedgraft.common.familiarity.gaussian import reference_of, sums_of

ROWS = torch.randn(200, 6, generator=torch.Generator().manual_seed(0))
REFERENCE = reference_of([sums_of(ROWS)])


def test_plain_text_and_back_to_the_last_bit():
    for limit in (1.5, math.inf):
        familiar = Familiar(REFERENCE, limit)
        again = from_json(familiar.to_json())
        assert torch.equal(again.reference.precision, REFERENCE.precision)
        torch.testing.assert_close(again.reference.distances(ROWS), REFERENCE.distances(ROWS))
        assert again.limit == limit
        assert again.to_json() == familiar.to_json()


def test_validation_cases_of_the_sites_that_train_make_the_limit():
    near, far = counted(REFERENCE.distances(ROWS)), counted(REFERENCE.distances(9 * ROWS))
    found = Familiarity(REFERENCE, {"a": {"val": near}, "b": {"val": far, "test": far}}, frozenset({"a"}))
    familiar = found.familiar(0.05)
    assert familiar.is_strange(ROWS).double().mean() <= 0.05
    assert familiar.is_strange(9 * ROWS).double().mean() > 0.9
    assert Familiarity(REFERENCE, {"b": {"val": far}}, frozenset({"a"})).familiar(0.05).limit == math.inf


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"mean": [1], "precision": "x", "limit": 1}'])
def test_something_else_is_refused(text):
    with pytest.raises(DataError, match="it was not written by FedGraft"):
        from_json(text)


def test_numbers_that_don_t_fit_are_refused():
    with pytest.raises(DataError, match="its numbers don't fit each other"):
        from_json('{"mean": [1, 2], "precision": [[1]], "limit": 1}')
