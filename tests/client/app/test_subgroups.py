import pytest

from fedgraft.client.app.subgroups import named
from fedgraft.client.site.release import of_large_groups
from fedgraft.client.site.site_file import ReleasePolicy
from fedgraft.common.tasks import TASKS

TASK = TASKS["classification"](("healthy", "sick"))


@pytest.mark.parametrize(
    ("cell", "group"),
    [
        ("39.9", "below 40"),
        ("40", "40 to below 60"),
        ("60", "60 and above"),
        ("", "unknown"),
        (None, "unknown"),
        ("old", "unknown"),
        ("nan", "unknown"),
    ],
)
def test_numbers_fall_into_bands(cell, group):
    assert named([cell], (40, 60)) == [group]


def test_other_cells_are_their_own_group_but_for_what_is_no_name():
    assert named(["F", " M ", "", None, "x" * 61, "a\nb"], ()) == ["F", "M", "unknown", "unknown", "other", "other"]


def test_of_many_values_the_rarer_are_together():
    cells = [f"v{place}" for place in range(40)] + ["v3", "v3", "v7"]
    groups = named(cells, ())
    assert len(set(groups)) == 30
    assert groups.count("v3") == 3
    assert groups.count("other") == 11


def test_a_column_with_one_small_subgroup_tells_nothing():
    outputs, labels = [[0.0, 1.0]] * 12, [0, 1] * 6

    def cases(number: int):
        import numpy as np

        return TASK.evaluate_parts(np.array(outputs[:number]), np.array(labels[:number]), [number])[0]

    found = {"sex": {"F": cases(6), "M": cases(6)}, "view": {"AP": cases(8), "PA": cases(4)}}
    assert set(of_large_groups(found, ReleasePolicy(min_count=5))) == {"sex"}
    assert set(of_large_groups(found, ReleasePolicy(min_count=4))) == {"sex", "view"}
