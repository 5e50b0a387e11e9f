import pytest

from fedgraft.common.errors import PlanError


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("audit.columns=[sex,sex]",), "audit.columns names a column twice"),
        (("audit.columns=[age,{age:[40]}]",), "audit.columns names a column twice"),
        (("audit.columns=[{age:[60,40]}]",), "audit.columns needs ascending numbers"),
        (("audit.columns=[{age:[]}]",), "audit.columns needs ascending numbers"),
        (
            ("audit.columns=[sex]", "release.evaluation=false"),
            "audit.columns has no effect with release.evaluation=false",
        ),
        (("audit.columns=[label]",), "audit.columns names a column with labels"),
    ],
)
def test_audits_that_can_t_be_meant(plan_of, words, message):
    with pytest.raises(PlanError, match=message):
        plan_of(*words)


def test_an_audit_is_a_part_of_the_digest(plan_of):
    plans = [plan_of(), plan_of("audit.columns=[age]"), plan_of("audit.columns=[{age:[40,60]}]")]
    assert len({plan.digest for plan in plans}) == 3
    assert plans[2].audit.bands == {"age": (40, 60)}
