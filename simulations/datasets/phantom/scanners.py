"""The phantom's hospitals: how each one's scanner changes an image, and how it is stored as DICOM."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scanner:
    """One hospital's scanner.

    Attributes:
        name: the hospital's name.
        prevalence: of lesions among its cases.
        scale: pixels per side of its matrix, relative to the reference.
        field: field of view, relative to the reference.
        blur: standard deviation of the point spread, in units of half the field of view.
        noise: standard deviation at full signal, for signals in [0, 1].
        contrast: factor around 0.5.
        gamma: exponent of the film curve.
        bits: (0028,0101) Bits Stored.
        signed: (0028,0103) Pixel Representation is 1.
        inverted: (0028,0004) Photometric Interpretation is MONOCHROME1.
        slope: (0028,1053) Rescale Slope.
        intercept: (0028,1052) Rescale Intercept.
        voi: (0028,1056) VOI LUT Function of its window; ``None`` for no window.
        used: the part of the stored range that the film uses.
    """

    name: str
    prevalence: float
    scale: float = 1.0
    field: float = 1.0
    blur: float = 0.010
    noise: float = 0.020
    contrast: float = 1.0
    gamma: float = 1.0
    bits: int = 12
    signed: bool = False
    inverted: bool = False
    slope: float = 1.0
    intercept: float = 0.0
    voi: str | None = "LINEAR"
    used: tuple[float, float] = (0.05, 0.95)


REFERENCE = Scanner("reference", 0.3)
# fmt: off
HOSPITALS = (
    Scanner("alder", 0.40, field=1.00, blur=0.008, noise=0.015, contrast=1.10, gamma=0.90,
            bits=12, voi="LINEAR", used=(0.1, 0.6)),
    Scanner("birch", 0.25, scale=1.33, field=1.12, blur=0.016, noise=0.030, contrast=0.85, gamma=1.25,
            bits=8, inverted=True, voi=None, used=(0.0, 1.0)),
    Scanner("cedar", 0.08, scale=1.67, field=0.92, blur=0.006, noise=0.012, contrast=1.15, gamma=0.80,
            bits=16, signed=True, slope=0.5, intercept=9000.0, voi="LINEAR", used=(0.2, 0.4)),
    Scanner("dogwood", 0.45, scale=1.17, field=1.05, blur=0.020, noise=0.030, contrast=0.75, gamma=1.35,
            bits=12, signed=True, inverted=True, slope=2.0, intercept=-100.0, voi="SIGMOID", used=(0.1, 0.9)),
    Scanner("elm", 0.15, scale=1.50, field=1.15, blur=0.012, noise=0.035, contrast=0.90, gamma=1.10,
            bits=10, slope=4.0, intercept=50.0, voi=None, used=(0.0, 0.9)),
    Scanner("fir", 0.30, scale=1.00, field=0.95, blur=0.018, noise=0.020, contrast=1.20, gamma=0.75,
            bits=14, inverted=True, slope=0.25, voi="LINEAR_EXACT", used=(0.0, 0.5)),
    Scanner("ginkgo", 0.20, scale=1.25, field=1.20, blur=0.010, noise=0.040, contrast=0.80, gamma=1.00,
            bits=16, intercept=-1000.0, voi="LINEAR", used=(0.0, 0.1)),
    Scanner("hazel", 0.35, scale=1.60, field=1.00, blur=0.020, noise=0.015, contrast=1.00, gamma=1.30,
            bits=8, signed=True, intercept=128.0, voi="LINEAR", used=(0.0, 1.0)),
)


# fmt: on


def scanners(sites: int, shift: float) -> tuple[Scanner, ...]:
    """The first ``sites`` hospitals, with their differences from the reference scanner multiplied by ``shift``.

    With 0 all have the reference scanner; names and prevalences are not changed.
    """
    return tuple(_shifted(scanner, shift) for scanner in HOSPITALS[:sites])


def _shifted(scanner: Scanner, shift: float) -> Scanner:
    if shift == 0:
        return replace(REFERENCE, name=scanner.name, prevalence=scanner.prevalence)

    def move(name: str, least: float) -> float:
        start, there = float(getattr(REFERENCE, name)), float(getattr(scanner, name))
        return max(least, start + shift * (there - start))

    return replace(
        scanner,
        scale=move("scale", 0.5),
        field=move("field", 0.8),
        blur=move("blur", 0.0),
        noise=move("noise", 0.0),
        contrast=move("contrast", 0.2),
        gamma=move("gamma", 0.3),
    )


def expose(scanner: Scanner, picture: Array, rng: np.random.Generator) -> Array:
    """Take a film: blur, the scanner's contrast and film curve, noise.

    Args:
        picture: ``(H, W)`` float64, attenuation in about [0, 1].

    Returns:
        ``(H, W)`` float64 in [0, 1], 1 = white.
    """
    signal = np.clip(0.5 + scanner.contrast * (_blurred(picture, scanner.blur) - 0.5), 0.0, 1.0) ** scanner.gamma
    noisy = signal + scanner.noise * np.sqrt(0.2 + 0.8 * signal) * rng.standard_normal(signal.shape)
    return np.clip(noisy, 0.0, 1.0)


def stored_span(scanner: Scanner) -> tuple[float, float]:
    """The stored values (before the modality rescale) of a film's 0 and 1 in MONOCHROME2."""
    most = 2.0**scanner.bits - 1
    offset = 2.0 ** (scanner.bits - 1) if scanner.signed else 0.0
    low, high = (np.rint(part * most) - offset for part in scanner.used)
    return float(low), float(high)


def quantise(scanner: Scanner, film: Array) -> NDArray[np.int64]:
    """Quantise a film to stored values, ``(H, W)`` int64, within the range of the scanner's Bits Stored."""
    low, high = stored_span(scanner)
    shown = 1.0 - film if scanner.inverted else film
    return np.rint(low + shown * (high - low)).astype(np.int64)


def window_of(scanner: Scanner) -> tuple[float, float]:
    """Window centre and width that cover exactly the range of a film, after the rescale (PS3.3 C.11.2.1.2)."""
    low, high = (scanner.slope * value + scanner.intercept for value in stored_span(scanner))
    if scanner.voi == "LINEAR":
        return (low + high + 1) / 2, high - low + 1
    return (low + high) / 2, high - low


def _blurred(picture: Array, sigma: float) -> Array:
    """Convolve with a Gaussian point spread, by its transfer function exp(-2 (pi sigma f)^2); edges are mirrored."""
    size = len(picture)
    pad = size // 8
    wide = np.pad(picture, pad, mode="reflect")
    frequency = np.fft.fftfreq(len(wide), d=2.0 / size)
    transfer = np.exp(-2 * (np.pi * sigma * frequency) ** 2)
    blurred = np.fft.ifft2(np.fft.fft2(wide) * transfer[:, None] * transfer[None, :]).real
    inner: Array = blurred[pad : pad + size, pad : pad + size]
    return inner
