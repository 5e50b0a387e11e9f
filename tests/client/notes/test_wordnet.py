"""WordNet's own files, read where they lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedgraft.client.notes.wordnet import DEBIAN, WordNet
from fedgraft.common.errors import DataError

from .wordnet_in_small import write_wordnet

REAL = pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's wordnet-base is not installed")


def test_every_sense(tmp_path: Path) -> None:
    net = WordNet(write_wordnet(tmp_path), "every")
    assert net.synonyms("doctor") == ("fix", "physician")  # not Dr., which is no word of small letters
    assert net.synonyms("picture") == ("call up", "image", "visualize")
    assert net.synonyms("glad") == ("happy",)
    assert net.synonyms("hand") == ("paw",)
    assert net.synonyms("call up") == ("picture", "visualize")
    assert net.synonyms("nothing") == net.synonyms("doct") == net.synonyms("") == ()


def test_shared_are_only_those_that_mean_first_what_the_word_means_first(tmp_path: Path) -> None:
    """30 of 32 doctors are physicians. 5 of 10 pictures are images, which is no majority; 20 of 23 images are pictures,
    and a picture is not mostly an image. Of an effigy nothing was counted, and it has one sense: that of few images."""
    net = WordNet(write_wordnet(tmp_path))
    assert net.synonyms("doctor") == ("physician",)
    assert net.synonyms("fix") == ()
    assert net.synonyms("begin") == ("start",)
    assert net.synonyms("picture") == net.synonyms("image") == net.synonyms("effigy") == ()


def test_a_folder_that_lacks_a_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    write_wordnet(tmp_path)
    (tmp_path / "data.adv").unlink()
    with pytest.raises(DataError, match=r"is no folder of WordNet 3\.0, it has no data\.adv: install .* wordnet-base"):
        WordNet(tmp_path)


@REAL
def test_the_real_one() -> None:
    """The paw that the issue names, and what senses are for."""
    every, shared = WordNet(DEBIAN, "every"), WordNet(DEBIAN)
    assert "paw" in every.synonyms("hand")
    assert "paw" not in shared.synonyms("hand")
    assert shared.synonyms("physician") == ("doc", "doctor")
    assert "pyrexia" in every.synonyms("fever")
    assert "discharge" not in every.synonyms("discharge")
    assert every.synonyms("größe") == every.synonyms("zyzzyva") == every.synonyms("the") == ()
