import pytest

from fedgraft.common.errors import PlanError


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("decide.value=0.9",), "decide.value has no effect with decide.at=youden"),
        (("decide.at=sensitivity",), "decide.at needs decide.value"),
        (("decide.at=specificity", "decide.value=1.5"), "decide.value must be at most 1"),
        (("decide.by_site=own", "decide.cases=7"), "decide.cases has an effect with decide.by_site=shrunk only"),
        (("data=tcga_brca", "decide.coverage=0.8"), r"decide \(but for decide.unseen\) has no effect"),
        (("decide.coverage=1",), "decide.coverage"),
    ],
)
def test_options_of_decide_that_can_t_be_meant(plan_of, words, message):
    with pytest.raises(PlanError, match=message):
        plan_of(*words)


def test_options_that_can(plan_of):
    assert plan_of("decide.at=cost", "decide.value=5").decide.value == 5
    points = {plan_of("decide.at=sensitivity", f"decide.value={value}").digest for value in (0.8, 0.9)}
    assert len(points | {plan_of().digest}) == 3
    assert plan_of("decide.by_site=pooled", "decide.unseen=null").decide.unseen is None
