"""Compute a chest film from formulas: body, lungs, heart, ribs, vessels, and perhaps lesions.

Lengths are in units of half the reference field of view, with x to the right and y down, both in [-1, 1]. The numbers
were chosen so that films look like chests and lesions are about as hard to see; they are no real patient's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
WAVES = 48


@dataclass(frozen=True)
class Blob:
    """A Gaussian ellipse: centre, radii (standard deviations), rotation in radians, and height at its centre."""

    x: float
    y: float
    rx: float
    ry: float
    angle: float
    height: float


@dataclass(frozen=True)
class Anatomy:
    """One patient.

    Attributes:
        width: of the body, relative to the mean.
        lungs: left and right: centre x, centre y, radius x, radius y.
        heart: centre x, centre y, radius x, radius y.
        diaphragm: height (y) of the left and the right dome.
        ribs: first height, distance, slope and thickness.
        density: of the soft tissue, relative to the mean.
        texture: ``(WAVES, 4)`` float64: of each wave its frequency in x and y, its phase, its amplitude.
        vessels: blobs that are no lesions but may look like them.
    """

    width: float
    lungs: tuple[tuple[float, float, float, float], ...]
    heart: tuple[float, float, float, float]
    diaphragm: tuple[float, float]
    ribs: tuple[float, float, float, float]
    density: float
    texture: Array
    vessels: tuple[Blob, ...]


def draw_anatomy(rng: np.random.Generator) -> Anatomy:
    """Draw a new patient."""
    width = rng.normal(1.0, 0.06)
    lungs = tuple(
        (
            side * width * rng.normal(0.40, 0.02),
            rng.normal(-0.08, 0.03),
            width * rng.normal(0.27, 0.02),
            rng.normal(0.60, 0.04),
        )
        for side in (-1, 1)
    )
    return Anatomy(
        width=width,
        lungs=lungs,
        heart=(
            rng.normal(0.10, 0.03),
            rng.normal(0.30, 0.03),
            rng.normal(0.30, 0.04),
            rng.normal(0.27, 0.03),
        ),
        diaphragm=(rng.normal(0.50, 0.05), rng.normal(0.45, 0.05)),
        ribs=(
            rng.normal(-0.72, 0.03),
            rng.normal(0.155, 0.01),
            rng.normal(0.28, 0.06),
            rng.normal(0.02, 0.002),
        ),
        density=rng.normal(1.0, 0.08),
        texture=_draw_texture(rng),
        vessels=_draw_vessels(lungs, width, rng),
    )


def draw_lesions(anatomy: Anatomy, rng: np.random.Generator) -> tuple[Blob, ...]:
    """Draw one to three soft nodules or consolidations in the lungs; some are hard to see."""
    count = int(rng.choice((1, 2, 3), p=(0.6, 0.25, 0.15)))
    return tuple(
        _blob_in(anatomy.lungs[rng.integers(2)], rng, reach=0.8, radius=(0.09, 0.20), height=(0.16, 0.45))
        for _ in range(count)
    )


def render(anatomy: Anatomy, lesions: Sequence[Blob], size: int, field: float, turn: float) -> Array:
    """The body's attenuation along each ray.

    Args:
        anatomy: the patient.
        lesions: added to the anatomy.
        size: side of the square image, in pixels.
        field: field of view relative to the reference; a larger one shows a smaller body.
        turn: the patient's displacement: in x, and half of it in y.

    Returns:
        ``(size, size)`` float64, about 0 (air) to 1 (heart and spine).
    """
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    x, y = (axis * field - turn)[None, :], (axis * field - turn / 2)[:, None]
    body = _inside((np.abs(x) / (0.88 * anatomy.width)) ** 4 + (np.clip(0.2 - y, 0, None) / 1.15) ** 4, 0.10)
    air = np.maximum(*(_lung(anatomy, side, x, y) for side in (0, 1)))
    hx, hy, rx, ry = anatomy.heart
    heart = _inside(((x - hx) / rx) ** 2 + ((y - hy) / ry) ** 2, 0.12)
    middle = np.exp(-0.5 * (x / 0.12) ** 4) * (1 + 0.06 * np.cos(2 * np.pi * y / 0.17))
    tissue = 0.60 * anatomy.density * body
    lung = -0.42 * air * (1 - 0.75 * heart) + air * _waves(anatomy.texture, x, y)
    bones = (0.07 * _ribs(anatomy, x, y) + 0.08 * _clavicles(x, y)) * body
    soft = sum((_soft(blob, x, y) for blob in (*anatomy.vessels, *lesions)), np.zeros((size, size)))
    total: Array = 0.03 + tissue + lung + bones + 0.14 * heart + 0.20 * middle * body + soft
    return np.clip(total, 0.0, 1.1)


def _blob_in(
    lung: tuple[float, float, float, float],
    rng: np.random.Generator,
    *,
    reach: float,
    radius: tuple[float, float],
    height: tuple[float, float],
) -> Blob:
    """Draw a blob in a lung, at most ``reach`` of its radii from its centre, above the diaphragm."""
    cx, cy, rx, ry = lung
    angle, distance = rng.uniform(0, 2 * np.pi), reach * np.sqrt(rng.uniform())
    size, shape = rng.uniform(*radius), rng.uniform(0.75, 1.33)
    return Blob(
        x=cx + rx * distance * np.cos(angle),
        y=cy - 0.08 + 0.7 * ry * distance * np.sin(angle),
        rx=size * shape,
        ry=size / shape,
        angle=rng.uniform(0, np.pi),
        height=rng.uniform(*height),
    )


def _draw_vessels(
    lungs: tuple[tuple[float, float, float, float], ...], width: float, rng: np.random.Generator
) -> tuple[Blob, ...]:
    """Draw vessels seen end-on, and both hila."""
    ends = [
        _blob_in(lungs[side], rng, reach=0.9, radius=(0.02, 0.045), height=(0.04, 0.12))
        for side in (0, 1)
        for _ in range(rng.poisson(2.5))
    ]
    hila = [
        Blob(side * 0.17 * width, rng.normal(0.0, 0.04), 0.06, 0.11, side * 0.3, rng.uniform(0.08, 0.18))
        for side in (-1, 1)
    ]
    return (*ends, *hila)


def _draw_texture(rng: np.random.Generator) -> Array:
    """Draw waves in all directions, with amplitudes that fall with their frequency."""
    frequency = np.exp(rng.uniform(np.log(3.0), np.log(40.0), WAVES))
    angle, phase = rng.uniform(0, 2 * np.pi, WAVES), rng.uniform(0, 2 * np.pi, WAVES)
    strength = rng.uniform(0.02, 0.05) / frequency**0.5 / np.sqrt(WAVES / 12)
    return np.stack((frequency * np.cos(angle), frequency * np.sin(angle), phase, strength), axis=1)


def _waves(texture: Array, x: Array, y: Array) -> Array:
    """Sum of ``strength * cos(fx x + fy y + phase)``, as one matrix product."""
    fx, fy, phase, strength = texture.T
    rows = strength * np.exp(1j * (y * fy + phase))
    total: Array = np.real(rows @ np.exp(1j * fx[:, None] * x))
    return total


def _inside(level: Array, softness: float) -> Array:
    """1 where ``level`` is below 1, 0 above, with a soft edge."""
    return 0.5 - 0.5 * np.tanh((level - 1) / (2 * softness))


def _lung(anatomy: Anatomy, side: int, x: Array, y: Array) -> Array:
    cx, cy, rx, ry = anatomy.lungs[side]
    ellipse = _inside(np.abs((x - cx) / rx) ** 2.5 + np.abs((y - cy) / ry) ** 2.5, 0.12)
    dome = anatomy.diaphragm[side] + 0.9 * (x - cx) ** 2
    return ellipse * (0.5 + 0.5 * np.tanh((dome - y) / 0.05))


def _ribs(anatomy: Anatomy, x: Array, y: Array) -> Array:
    """Ten pairs of bands that descend outwards, fainter toward the middle."""
    first, distance, slope, thickness = anatomy.ribs
    phase = (y - first - slope * np.abs(x) ** 1.5) / distance
    nearest = np.clip(np.rint(phase), 0, 9)
    bands: Array = np.exp(-0.5 * ((phase - nearest) * distance / thickness) ** 2)
    return bands * (0.4 + 0.6 * np.clip(np.abs(x) / 0.5, 0, 1)) * (0.5 - 0.5 * np.tanh((y - 0.6) / 0.1))


def _clavicles(x: Array, y: Array) -> Array:
    return np.exp(-0.5 * ((y + 0.62 + 0.18 * np.abs(x)) / 0.03) ** 2) * _inside(np.abs(x) / 0.7, 0.05)


def _soft(blob: Blob, x: Array, y: Array) -> Array:
    cosine, sine = np.cos(blob.angle), np.sin(blob.angle)
    along = ((x - blob.x) * cosine + (y - blob.y) * sine) / blob.rx
    across = (-(x - blob.x) * sine + (y - blob.y) * cosine) / blob.ry
    bump: Array = blob.height * np.exp(-0.5 * (along**2 + across**2))
    return bump
