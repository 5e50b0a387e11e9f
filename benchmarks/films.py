"""Phantom chest films in the transfer syntaxes that archives use, for `ingest.py`; the same files for everybody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gdcm
import numpy as np

from fedgraft.simulations.datasets.phantom.anatomy import draw_anatomy, render
from fedgraft.simulations.datasets.phantom.phantom import to_dicom
from fedgraft.simulations.datasets.phantom.scanners import REFERENCE, expose, quantise

SYNTAXES = {
    "uncompressed": gdcm.TransferSyntax.ExplicitVRLittleEndian,
    "RLE": gdcm.TransferSyntax.RLELossless,
    "JPEG lossless": gdcm.TransferSyntax.JPEGLosslessProcess14_1,
    "JPEG-LS": gdcm.TransferSyntax.JPEGLSLossless,
    "JPEG 2000": gdcm.TransferSyntax.JPEG2000Lossless,
}
_ANATOMIES = 6


def write_films(folder: Path, count: int, size: int) -> Iterator[tuple[str, Path]]:
    """Write ``count`` films of ``size`` x ``size`` pixels of 12 bits in every syntax; yields its name and the file."""
    rng = np.random.default_rng(0)
    pictures = [render(draw_anatomy(rng), (), size, 1.0, 0.0) for _ in range(min(count, _ANATOMIES))]
    for number in range(count):
        stored = quantise(REFERENCE, expose(REFERENCE, pictures[number % len(pictures)], rng))
        dataset = to_dicom(REFERENCE, stored, f"bench-{number:04d}", (0, number))
        plain = folder / f"{number:04d}.dcm"
        dataset.save_as(plain, enforce_file_format=True)
        for name, syntax in SYNTAXES.items():
            file = folder / f"{name.replace(' ', '-')}-{number:04d}.dcm"
            _transcode(plain, file, syntax)
            yield name, file
        plain.unlink()


def _transcode(source: Path, target: Path, syntax: int) -> None:
    reader = gdcm.ImageReader()
    reader.SetFileName(str(source))
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    if not reader.Read():
        raise SystemExit(f"gdcm can't read {source.name}")
    change.SetInput(reader.GetImage())
    if not change.Change():
        raise SystemExit(f"gdcm can't write {target.name}")
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(target))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    if not writer.Write():
        raise SystemExit(f"gdcm can't write {target.name}")
