"""The process of `test_fuzz`: reads damaged files, and may crash; mutant n is the same on every run.

``mutants.py FIRST LAST FOLDER`` appends to ``FOLDER/verdicts`` the number of each mutant before it is read, and what
came of it after; standard output and error are left to the reader.
"""

from __future__ import annotations

import io
import json
import random
import re
import resource
import signal
import struct
import sys
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import data_store
import numpy as np
import pydicom

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.read import frame_count, read_dicom
from fedgraft.client.site.limits import Limits
from fedgraft.common.plan.data_sections import DicomSection

GIGABYTE = 1 << 30
SECONDS = 10
SECRET_NAME = "a-secret-file-name"
NAMES = [
    "CT_small.dcm",
    "MR_small.dcm",
    "MR_small_RLE.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_implicit.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "693_J2KI.dcm",
    "J2K_pixelrep_mismatch.dcm",
    "JPEG-LL.dcm",
    "JPEGLSNearLossless_16.dcm",
    "SC_rgb_dcmtk_+eb+cy+s2.dcm",
    "SC_rgb_jpeg_gdcm.dcm",
    "SC_rgb_rle_16bit_2frame.dcm",
    "SC_rgb_small_odd_jpeg.dcm",
    "SC_rgb_jls_lossy_line.dcm",
    "SC_ybr_full_422_uncompressed.dcm",
    "GDCMJ2K_TextGBR.dcm",
    "bad_sequence.dcm",
    "examples_palette.dcm",
    "OBXXXX1A_rle.dcm",
    "emri_small.dcm",
    "emri_small_RLE.dcm",
    "emri_small_jpeg_2k_lossless.dcm",
    "emri_small_jpeg_ls_lossless.dcm",
    "image_dfl.dcm",
    "liver_1frame.dcm",
    "rtdose.dcm",
    "rtdose_rle.dcm",
    "mlut_18.dcm",
    "vlut_04.dcm",
    "color-pl.dcm",
    "eCT_Supplemental.dcm",
    "examples_overlay.dcm",
    "6154",
    "SC_rgb_expb_32bit_2frame.dcm",
    "explicit_VR-UN.dcm",
]
ROOTS = (Path(pydicom.__file__).parent / "data", Path(next(iter(data_store.__path__))) / "data")
HEAD = re.compile(rb"[\x08\x10\x18\x20\x28]\x00..[A-Z]{2}", re.DOTALL)
PIXEL_HEAD = re.compile(rb"\x28\x00[\x00-\x30][\x00\x01\x10\x12](?:US|CS|DS|IS|OW|SS)", re.DOTALL)
VRS = [b"SQ", b"UN", b"OB", b"OW", b"US", b"FD", b"DS", b"PN", b"UT", b"AT", b"ZZ", b"\0\0"]
ABSURD = [b"\xff\xff", b"\0\0", b"\xff\x7f", b"\x01\0", b"\x10\0", b"\x20\0", b"\x0d\0"]
LENGTHS = [0, 1, 7, 0xFF, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF]
Chance = random.Random


def truncated(data: bytearray, chance: Chance) -> bytearray:
    return data[: int(len(data) * chance.random() ** 2)]


def flipped(data: bytearray, chance: Chance) -> bytearray:
    """Mostly where the elements are, or where the codestream starts."""
    pixels = max(data.rfind(b"\xe0\x7f\x10\x00"), 200)
    low, high = chance.choice([(132, pixels), (pixels, min(pixels + 200, len(data))), (132, len(data))])
    for _ in range(chance.randint(1, 8)):
        data[chance.randrange(low, high)] ^= 1 << chance.randrange(8)
    return data


def other_lengths(data: bytearray, chance: Chance) -> bytearray:
    head = chance.choice([found.start() for found in HEAD.finditer(data)] or [132])
    wide = chance.random() < 0.5
    place = head + (8 if wide else 6)
    data[place : place + (4 if wide else 2)] = struct.pack("<L", chance.choice(LENGTHS))[: 4 if wide else 2]
    return data


def other_vr(data: bytearray, chance: Chance) -> bytearray:
    head = chance.choice([found.start() for found in HEAD.finditer(data)] or [132])
    data[head + 4 : head + 6] = chance.choice(VRS)
    return data


def absurd(data: bytearray, chance: Chance) -> bytearray:
    """Other rows, frames, bits, windows."""
    for _ in range(chance.randint(1, 3)):
        head = chance.choice([found.start() for found in PIXEL_HEAD.finditer(data)] or [132])
        data[head + 8 : head + 10] = chance.choice(ABSURD) if chance.random() < 0.7 else b"9" * 2
    return data


def nested(data: bytearray, chance: Chance) -> bytearray:
    """Sequences in sequences, as many as a stack or a recursion would not survive, in front of the data set."""
    start = data.find(b"\x08\x00", 300)
    depth = chance.choice([3, 30, 40, 1_000, 100_000])
    explicit = chance.random() < 0.5
    head = b"\x08\0\x15\x11SQ\0\0\xff\xff\xff\xff" if explicit else b"\x08\0\x15\x11\xff\xff\xff\xff"
    return data[:start] + (head + b"\xfe\xff\0\xe0\xff\xff\xff\xff") * depth + data[start:]


def bomb(data: bytearray, chance: Chance) -> bytearray:
    """A deflated data set of a gigabyte: one long element, many short ones, or its pixels."""
    meta = b"\2\0\x10\0UI\x16\x001.2.840.10008.1.2.1.99"
    kind = chance.randrange(3)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    element = [b"\x09\0\x01\x10OB\0\0\0\0\0\x40", b"\x09\0\x01\x10OB\0\0\0\0\0\0", data[340:]][kind]
    filling = (element if kind == 1 else b"\0") * (1 << 20)
    packed = packer.compress(bytes(element)) + b"".join(
        packer.compress(filling) for _ in range(8 if kind == 1 else 100)
    )
    return bytearray(bytes(128) + b"DICM" + meta + packed + packer.flush())


def spliced(data: bytearray, chance: Chance) -> bytearray:
    low = chance.randrange(132, len(data))
    block = data[low : low + chance.choice([1, 2, 8, 100, 1000])]
    place = chance.randrange(132, len(data))
    if chance.random() < 0.5:
        return data[:place] + block * chance.randint(1, 5) + data[place:]
    data[place : place + len(block)] = bytes(len(block))
    return data


KINDS: tuple[Callable[[bytearray, Chance], bytearray], ...] = (
    truncated,
    flipped,
    flipped,
    flipped,
    other_lengths,
    other_lengths,
    other_vr,
    absurd,
    absurd,
    nested,
    spliced,
    spliced,
)


def mutant(number: int, files: dict[str, bytes]) -> tuple[str, str, bytes]:
    """Which mutation, of which file, and the bytes."""
    chance = random.Random(number)
    name = NAMES[number % len(NAMES)]
    kind = bomb if number % 400 == 0 else chance.choice(KINDS)
    data = kind(bytearray(files[name]), chance)
    if chance.random() < 0.2 and kind is not bomb:
        data = flipped(data, chance) if len(data) > 400 else data
    return kind.__name__, name, bytes(data)


def settings(number: int) -> DicomSection:
    chance = random.Random(-number)
    window = chance.choice(["file", "file", "none", "lung", "40/400"])
    return DicomSection(window, 0, chance.choice(["first", "middle"]), 1, chance.random() < 0.2)


def identifiers(data: bytes) -> set[str]:
    """What must never be in a message: names, ids, UIDs, dates of the undamaged file.

    Not digits so few that a tag or a limit may hold them.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
        found = {str(one.value) for one in dataset if one.VR in ("PN", "LO", "SH", "UI", "DA", "TM", "LT", "ST")}
    return {text for text in found if len(text) > 3 and text.strip("0.") and not (text.isdecimal() and len(text) < 6)}


def outcome(path: Path, dicom: DicomSection, secrets: set[str], threads: int = 1) -> tuple[str, str]:
    """``read`` or a reason; and what is wrong with that, if anything."""
    try:
        frame_count(path, Limits())
        pixels = read_dicom(path, dicom, Limits(), threads=threads).pixels
    except CaseError as error:
        text = f"{error}"
        if any(secret in text for secret in (*secrets, path.name, str(path.parent))):
            return error.reason, "names a patient or a file"
        if error.__cause__ or (not error.__suppress_context__ and error.__context__):
            return error.reason, "holds the error of a decoder"
        return error.reason, "takes more memory than there is" if error.reason == "crashed" else ""
    except BaseException as error:
        return type(error).__name__, "is no CaseError"
    right = pixels.dtype == np.float32 and np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1
    return "read", "" if right else "gives pixels that are not in [0, 1]"


def shipped() -> dict[str, Path]:
    """The undamaged files."""
    paths = {path.name: path for root in ROOTS for path in root.rglob("*") if path.is_file()}
    return {name: paths[name] for name in NAMES}


def main() -> None:
    first, last, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    paths = shipped()
    files = {name: path.read_bytes() for name, path in paths.items()}
    secrets = {name: identifiers(data) for name, data in files.items()}
    for name, path in paths.items():  # decoders are loaded before memory is counted
        outcome(path, settings(0), set(), threads=1 + (name == "MR_small_jp2klossless.dcm"))
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + GIGABYTE, size + GIGABYTE))
    warnings.simplefilter("error")
    path = folder / SECRET_NAME
    with (folder / "verdicts").open("a") as verdicts:
        for number in range(first, last):
            kind, name, data = mutant(number, files)
            path.write_bytes(data)
            print(json.dumps({"number": number, "kind": kind, "file": name}), file=verdicts, flush=True)
            signal.alarm(SECONDS)
            reason, wrong = outcome(path, settings(number), secrets[name], threads=1 + number % 2)
            signal.alarm(0)
            print(json.dumps({"number": number, "reason": reason, "wrong": wrong}), file=verdicts, flush=True)


if __name__ == "__main__":
    main()
