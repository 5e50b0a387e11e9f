"""The command ``fedgraft export``: a trained model as a file for other programs."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from fedgraft.client.export.described import metadata
from fedgraft.client.export.onnx_file import write_onnx
from fedgraft.client.export.timm_file import write_timm
from fedgraft.client.export.torchscript_file import write_torchscript
from fedgraft.client.export.whole import WholeModel, whole_of
from fedgraft.client.prediction.asked import add_model, loaded_as_asked, require_writable
from fedgraft.client.site.machine import choose
from fedgraft.common.runtime.files import replacing
from fedgraft.common.runtime.processes import say

DESCRIPTION = """\
Writes a trained model as one file for other programs. MODEL is a model's folder (`model/` of a run), or the folder of a
run; every file in it is checked first. What the file computes is compared with what `fedgraft predict` computes, on
random cases; a file that differs by more than 1e-4 is not written.
"""
EPILOG = """\
formats
  onnx          decoded cases in (images of any size, or a table's rows), probabilities out: resizing, normalising,
                network, layers, scale and calibration are inside. The file's metadata (fedgraft.*) say what it takes.
                Needs the extra `export`: pip install 'fedgraft[export]'
  torchscript   the same for torch.jit.load, from C++ or Python without FedGraft: what it takes is in its member
                fedgraft.json. Torch calls TorchScript deprecated: take onnx where you can choose
  safetensors   a network of timm with its classifier, for timm.create_model(..., checkpoint_path=FILE): only of a model
                without layers beside the backbone, whose head is one linear layer. It has no calibration.

What an exported file leaves out: reading files, quarantine, thresholds, prediction sets and flags. Only
`fedgraft predict` has those.

examples:
  fedgraft export runs/first --format onnx --out first.onnx
  fedgraft export model --site site.yaml --format onnx --out ours.onnx
"""

WHOLE = {"onnx": write_onnx, "torchscript": write_torchscript}
"""Formats that hold all that lies between decoded cases and probabilities, and say of themselves what that is."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="fedgraft export",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model(parser, "the site whose own part of the model and own calibration go in: its site.yaml, or its name")
    parser.add_argument("--format", choices=("onnx", "safetensors", "torchscript"), required=True, help="see below")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file to write")
    parser.add_argument(
        "--prevalence",
        type=float,
        nargs="+",
        metavar="SHARE",
        help="how common each class is where the file is used; its calibrated probabilities are those at it",
    )
    parser.add_argument("--force", action="store_true", help="overwrite --out if it is there")
    given = parser.parse_args(argv)
    require_writable(given.out, given.force)
    _require_effect(parser, given)
    loaded = loaded_as_asked(given, "fedgraft export", lambda site: choose("cpu", None), scale_from_cases=False)
    whole = whole_of(loaded, given.prevalence)
    with replacing(given.out) as partial:
        if given.format in WHOLE:
            told = {**metadata(whole), **_prevalence(given)}
            _tell(given.out, whole, told, WHOLE[given.format](partial, whole, told))
        else:
            call, difference = write_timm(partial, whole)
            say(f"wrote {given.out}: {call}; on random cases its outputs differ by {difference:.1g} at most")
            say("  it gives the network's outputs: no probability in it is calibrated")
    if loaded.has_own_part and loaded.site is not None:
        say(f"  it holds the part of the model that stays at {loaded.site.name}: keep it at this site")
    return 0


def _require_effect(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    if given.prevalence is not None and given.format not in WHOLE:
        parser.error(f"--prevalence has no effect with --format {given.format}: it holds no calibration")


def _prevalence(given: argparse.Namespace) -> dict[str, str]:
    return {} if given.prevalence is None else {"prevalence": " ".join(map(str, given.prevalence))}


def _tell(out: Path, whole: WholeModel, told: Mapping[str, str], difference: float) -> None:
    say(f"wrote {out}: `{whole.preparation.name}` in, {', '.join(f'`{name}`' for name in whole.names)} out")
    say(f"  compared with `fedgraft predict` on random cases: they differ by {difference:.1g} at most")
    for key in (key for key in told if key.startswith("input.")):
        say(f"  {key}: {told[key]}")
    say(f"  calibration: {told.get('calibration', 'none; probabilities are the raw ones of the network')}")
