"""Notes cut into windows, and hashed words: by hand, and as scikit-learn hashes them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import HashingVectorizer

from fedgraft.client.text.hashing import Hasher
from fedgraft.client.text.windows import Windower
from fedgraft.common.errors import BackboneError
from fedgraft.common.interfaces.inputs import Hashing, TextSpec
from fedgraft.common.kinds.text_source import TOKENIZER, Source, wordllama_source

NO, PLEURAL, EFFUSION, HEART, SIZE, NORMAL, PAIN, DOT = range(4, 12)


def windower(encoder: Path, windows: int = 3, length: int = 6, overlap: int = 1) -> Windower:
    return Windower(Source("x", {TOKENIZER: encoder / TOKENIZER}), TextSpec(windows, length, overlap))


def test_windows_overlap_and_carry_the_marks_of_begin_and_end(encoder: Path) -> None:
    """Four tokens of its own a window; the file's own truncation and padding to 4 do nothing. Numbers are one more."""
    note = "no pleural effusion . heart size normal ."
    found = windower(encoder).tokens([note, "pain"]).reshape(2, 3, 6).astype(int) - 1
    assert found[0].tolist() == [
        [2, NO, PLEURAL, EFFUSION, DOT, 3],
        [2, DOT, HEART, SIZE, NORMAL, 3],
        [2, NORMAL, DOT, 3, -1, -1],
    ]
    assert found[1].tolist() == [[2, PAIN, 3, -1, -1, -1], [-1] * 6, [-1] * 6]


def test_what_lies_behind_the_last_window_is_not_seen_and_counted(encoder: Path) -> None:
    note = " ".join(["pain"] * 11)  # starts at 0, 3, 6, 9; the last window ends where the note ends
    assert windower(encoder, windows=2).windows([note, "pain", " ".join(["pain"] * 4)]) == [4, 1, 1]
    assert windower(encoder, windows=2).tokens([note]).shape == (1, 12)


def test_no_window_holds_nothing_but_what_the_one_before_has(encoder: Path) -> None:
    for words in range(1, 30):
        note, made = " ".join(["pain"] * words), windower(encoder, windows=16)
        tokens = made.tokens([note]).reshape(16, 6)
        filled = (tokens > 0).any(axis=1).sum()
        own = [int((row > 0).sum()) - 2 for row in tokens[:filled]]
        assert sum(own) - (filled - 1) == words  # each window but the first repeats one token
        assert min(own) > (0 if filled == 1 else 1)


def test_a_tokenizer_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / TOKENIZER).write_text("{}", encoding="utf-8")
    with pytest.raises(BackboneError, match=r"backbone\.weights=x: tokenizer\.json can't be read"):
        windower(tmp_path)


@pytest.mark.skipif(find_spec("wordllama") is None, reason="wordllama is an extra")
def test_wordllama_gets_no_marks() -> None:
    made = Windower(wordllama_source(), TextSpec(1, 16, 0))
    both = made.tokens(["effusion", "effusion effusion"])
    count = int((both[0] > 0).sum())
    assert both[0, :count].tolist() == both[1, :count].tolist() and 1 not in both[0].tolist()


def test_hashed_words_are_scikit_learn_s_by_the_logarithm_of_their_counts() -> None:
    notes = ["No effusion, no pain", "heart heart heart"]
    found = Hasher(Hashing(128, (1, 2), (3, 3))).numbers(notes)
    assert found.shape == (2, 128) and found.dtype == np.float32
    counts = HashingVectorizer(
        n_features=64, ngram_range=(1, 2), norm=None, alternate_sign=True, token_pattern=r"(?u)\b\w+\b"
    ).transform(notes)
    expected = np.sign(counts.toarray()) * np.log1p(np.abs(counts.toarray()))
    expected *= 8 / np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found[:, :64], expected, rtol=1e-5)


def test_words_and_characters_have_the_length_of_standardised_numbers() -> None:
    found = Hasher(Hashing(256)).numbers(["no pleural effusion", "", "pain"])
    squares = (found.reshape(3, 2, 128) ** 2).sum(axis=2)
    np.testing.assert_allclose(squares, [[128, 128], [0, 0], [128, 128]], rtol=1e-5)
    assert Hasher(Hashing(256, characters=())).numbers(["pain"]).shape == (1, 256)
