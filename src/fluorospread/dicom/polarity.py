"""Which way brightness runs: whether bone is stored bright or dark, and what says so.

In this order: a person; PixelIntensityRelationshipSign; LIN, which by definition grows with X-ray intensity;
how the image is meant to be displayed, for radiographs, where bone is shown bright by convention; and at last
the content, because fluoroscopy is shown both ways. Photometric interpretation alone settles nothing
(PS3.3 C.7.6.3.1.2 is about display only). Whatever is no tag and no person is said in a note.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from fluorospread.dicom.attributes import holder_of, text, varies, whole_number
from fluorospread.dicom.intensity import pixel_intensity_relationship
from fluorospread.errors import PolarityError, UsageError
from fluorospread.model.radiograph import BoolImage, PolaritySource

BONE_BRIGHT, BONE_DARK = "bone-bright", "bone-dark"

# Modalities whose images are shown with bone bright by convention; fluoroscopy (XA, RF) is shown both ways.
_RADIOGRAPHY = ("CR", "DX", "RG", "MG", "IO", "PX")

# The two measures below are divided by these before they are added; chosen so that each is about 1 on the 16
# frontal films, 6 contrast studies and 7 other X-ray images tried, of which the sum got every one right
# except a hip film without a spine.
_BAND_SCALE = 0.04
_FINE_SCALE = 0.08
# Below this the content says nothing; above the second it is worth contradicting another source.
_UNDECIDED_SCORE = 0.4
_STRONG_SCORE = 1.5


@dataclass(frozen=True)
class Polarity:
    """Whether a higher *stored* value means more attenuation, what settled it, and what to tell the reader."""

    stored_bone_bright: bool
    source: PolaritySource
    note: str = ""


def settle_polarity(
    dataset: Dataset | None, given: str | None, displayed_is_stored: bool, score: Callable[[], float]
) -> Polarity:
    """Settle the polarity of an image.

    Parameters
    ----------
    dataset
        Header, or None for a picture file.
    given
        "bone-bright" or "bone-dark", as stored, when a person says so.
    displayed_is_stored
        True when a higher stored value is displayed brighter.
    score
        Gives `content_score` of the stored pixels when asked: > 0 bone bright, < 0 bone dark.

    Raises
    ------
    UsageError
        When `given` is neither.
    PolarityError
        When PixelIntensityRelationshipSign is neither 1 nor -1, or not the same in every frame.
    """
    if given is not None:
        if given not in (BONE_BRIGHT, BONE_DARK):
            raise UsageError(f"polarity is {given!r}; expected {BONE_BRIGHT!r} or {BONE_DARK!r}")
        return Polarity(given == BONE_BRIGHT, PolaritySource.GIVEN)
    if dataset is None:
        return _from_content(displayed_is_stored, score())
    if varies(dataset, "PixelIntensityRelationshipSign"):
        raise PolarityError(
            "PixelIntensityRelationshipSign is not the same in every frame. Give --polarity bone-bright or bone-dark, "
            "or export the frames apart."
        )
    keyword = "PixelIntensityRelationshipSign"
    sign = whole_number(holder_of(dataset, keyword), keyword)
    if sign is not None:
        if sign not in (1, -1):
            raise PolarityError(
                f"PixelIntensityRelationshipSign is {sign}; expected 1 or -1. Give --polarity bone-bright or bone-dark."
            )
        # +1: a lower value means less X-ray, so bone is stored dark.
        return Polarity(sign == -1, PolaritySource.TAG)
    for_presentation = text(dataset, "PresentationIntentType") == "FOR PRESENTATION"
    if pixel_intensity_relationship(dataset) == "LIN" and not for_presentation:
        note = "PixelIntensityRelationshipSign is absent; LIN pixels grow with X-ray intensity by definition."
        return _with_doubt(Polarity(False, PolaritySource.TAG, note), score())
    if for_presentation or text(dataset, "Modality") in _RADIOGRAPHY:
        note = (
            "PixelIntensityRelationshipSign is absent; bone is taken to be bright as displayed, "
            "as is the convention for radiographs. --polarity overrides."
        )
        return _with_doubt(Polarity(displayed_is_stored, PolaritySource.PRESENTATION, note), score())
    return _from_content(displayed_is_stored, score())


def _from_content(displayed_is_stored: bool, score: float) -> Polarity:
    if abs(score) < _UNDECIDED_SCORE:
        note = "Nothing says whether bone is bright or dark, the content neither; taken as bright as displayed."
        bright = displayed_is_stored
    else:
        bright = score > 0
        shown = "bright" if bright == displayed_is_stored else "dark"
        note = f"Nothing says whether bone is bright or dark; from the content it is {shown} as displayed."
    return Polarity(bright, PolaritySource.ASSUMED_FROM_CONTENT, f"{note} --polarity overrides.")


def _with_doubt(polarity: Polarity, score: float) -> Polarity:
    contradicted = abs(score) >= _STRONG_SCORE and (score > 0) != polarity.stored_bone_bright
    if not contradicted:
        return polarity
    note = f"{polarity.note} The content looks the other way round: check it."
    return Polarity(polarity.stored_bone_bright, polarity.source, note)


def content_score(stored: npt.NDArray[np.float32], field: BoolImage) -> float:
    """How much the content looks as if bone were bright (> 0) or dark (< 0); 0 when it cannot be told.

    Two signs of a trunk in frontal projection are added: the upright band in the middle (the spine) stands
    out from its flanks, and fine detail (cortical edges, needles, vessels with contrast) attenuates.

    Parameters
    ----------
    stored, field
        (rows, cols); field True inside the field of view.
    """
    from scipy import ndimage

    small, inside = _shrunk(stored, field)
    inside = ndimage.binary_erosion(inside, iterations=2)
    if inside.sum() < 400:
        return 0.0
    low, high = np.percentile(small[inside], [1, 99])
    if high <= low:
        return 0.0
    unit = np.clip(np.where(inside, (small - low) / (high - low), 0.0), 0.0, 1.0)
    return _band(unit, inside) / _BAND_SCALE + _fine_skew(unit, inside) / _FINE_SCALE


def _shrunk(image: npt.NDArray[np.float32], field: BoolImage) -> tuple[npt.NDArray[np.float64], BoolImage]:
    """Block means inside the field, at most about 256 pixels a side."""
    step = max(1, round(max(image.shape) / 256))
    rows, cols = image.shape[0] // step, image.shape[1] // step
    blocks = (rows, step, cols, step)
    cut = (slice(rows * step), slice(cols * step))
    count = field[cut].reshape(blocks).sum(axis=(1, 3))
    total = np.where(field[cut], image[cut], 0.0).reshape(blocks).sum(axis=(1, 3), dtype=np.float64)
    return total / np.maximum(count, 1), count >= 0.9 * step * step


def _band(unit: npt.NDArray[np.float64], inside: BoolImage) -> float:
    """Strongest excess, bright minus dark, of a narrow upright band over its wide surroundings."""
    from scipy.ndimage import uniform_filter1d

    counts = inside.sum(axis=0)
    usable = np.flatnonzero(counts >= 0.2 * inside.shape[0])
    if usable.size < 16:
        return 0.0
    profile = np.where(inside, unit, 0.0).sum(axis=0)[usable] / counts[usable]
    filled = np.interp(np.arange(usable[0], usable[-1] + 1), usable, profile)
    narrow = uniform_filter1d(filled, max(3, int(0.12 * filled.size)))
    wide = uniform_filter1d(filled, max(5, int(0.45 * filled.size)))
    excess = (narrow - wide)[int(0.3 * filled.size) : int(0.7 * filled.size)]
    return float(excess.max() + excess.min())


def _fine_skew(unit: npt.NDArray[np.float64], inside: BoolImage) -> float:
    """Asymmetry of the fine detail, -1..1: the upper against the lower tail."""
    from scipy import ndimage

    weight = ndimage.gaussian_filter(inside.astype(np.float64), 1.5)
    fine = unit - ndimage.gaussian_filter(unit * inside, 1.5) / np.maximum(weight, 1e-3)
    core = ndimage.binary_erosion(inside, iterations=4)
    if core.sum() < 400:
        return 0.0
    low, middle, high = np.percentile(fine[core], [2, 50, 98])
    return float((high + low - 2 * middle) / (high - low)) if high > low else 0.0
