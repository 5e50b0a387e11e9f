"""What simulated hospitals say of their cases: the first three by name."""

from pathlib import Path

from fedgraft.client.cohort.quarantine import write_remarks
from fedgraft.simulations.federation.remarks import remark_sentences


def test_the_first_are_named(tmp_path: Path) -> None:
    sites = {name: tmp_path / name / "site.yaml" for name in "abcdefghi"}
    for name in "bcdefgh":
        write_remarks(tmp_path / name / "state", (f"dark at {name}",))
    assert remark_sentences(sites) == [
        "b: dark at b",
        "c: dark at c",
        "d: dark at d",
        "likewise at 4 more hospital(s): e, f, g, ...",
    ]
    assert remark_sentences({name: sites[name] for name in "abc"}) == ["b: dark at b", "c: dark at c"]
    assert remark_sentences({"a": sites["a"]}) == []
