"""Which language a note is clearly in, by its script and its most common words; in doubt it is in the right one.

Clinical notes are short and telegraphic, so that detectors trained on prose err on them; here only a note that is
beyond doubt in another language is told from the plan's.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping
from types import MappingProxyType

_LEAST_WORDS, _LEAST_SHARE, _TIMES = 12, 0.12, 3.0
_LEAST_LETTERS = 12
_LEAST_DIFFERENT = 4
_SAMPLE = 20_000
LATIN = "LATIN"


def _several(words: str) -> frozenset[str]:
    return frozenset(words.split())


WORDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "en": _several(
            "the of and to in is was with for on at by no this that are were has had as from or be not which he she "
            "his her patient an"
        ),
        "de": _several(
            "der die das und ist war mit den dem des ein eine einer nicht bei von zu im auf für sich wurde nach aus "
            "kein keine sowie wird am es"
        ),
        "fr": _several(
            "le la les de des du et est une un en dans pas avec pour sur par au aux qui que ne il elle plus sans était "
            "patiente"
        ),
        "es": _several(
            "el la los las de del en que con un una se no por para al su es sin como fue más presenta refiere "
            "paciente años lo"
        ),
        "it": _several(
            "il la le di del della in che con un una non per al si sono nel dei da gli alla paziente senza più come lo"
        ),
        "pt": _several("os as de do da em que com um uma não por para ao se no na dos das foi sem mais paciente são"),
        "nl": _several(
            "de het een van en in is met op te voor niet dat bij werd aan er geen als door zijn patiënt naar uit "
            "ook wordt om"
        ),
    }
)
"""The most common words of each language in clinical prose. What several share tells them apart only by how often."""


def clearly_other(note: str, languages: Collection[str]) -> str | None:
    """The language (or script) that a note is clearly in, if it is none of ``languages``; else ``None``."""
    some = note[:_SAMPLE]
    script = _script(some)
    if script is not None and script != LATIN:
        return f"{script.lower()} script"
    shares = _shares(some)
    best = _told(some, shares)
    own = max((shares.get(name, 0.0) for name in languages), default=0.0)
    return best if best is not None and best not in languages and shares[best] >= _TIMES * own else None


def language_of(note: str) -> str | None:
    """The code of the language whose common words are most frequent in a note, or its script; ``None`` if there are
    too few to tell."""
    return clearly_other(note, ())


def _shares(note: str) -> dict[str, float]:
    """The share of each language's common words among all words of a note; empty if it has few words."""
    words = re.findall(r"[^\W\d_]+", note.casefold())
    if len(words) < _LEAST_WORDS:
        return {}
    counts = Counter(words)
    return {name: sum(counts[word] for word in common) / len(words) for name, common in WORDS.items()}


def _told(note: str, shares: Mapping[str, float]) -> str | None:
    best = max(shares, key=lambda name: shares[name], default=None)
    if best is None or shares[best] < _LEAST_SHARE:
        return None
    there = set(re.findall(r"[^\W\d_]+", note.casefold()))
    return best if len(WORDS[best] & there) >= _LEAST_DIFFERENT else None


def _script(note: str) -> str | None:
    """The script of most letters, by the first word of their Unicode names; ``None`` if there are few letters."""
    letters = [letter for letter in note[:4_000] if letter.isalpha()]
    if len(letters) < _LEAST_LETTERS:
        return None
    counts = Counter(unicodedata.name(letter, "UNKNOWN").partition(" ")[0] for letter in letters)
    name, most = counts.most_common(1)[0]
    return name if most > len(letters) / 2 else None
