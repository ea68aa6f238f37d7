"""Images of a case in, what a viewer shows of their difference out: the image after contrast less the one before.

For the eye only: nothing is measured from it. The earlier image is aligned first; where the two do not show one
view there is nothing to subtract. A run is its own reference, subtracted frame by frame as it is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fluorospread.imaging.cine import mean_frame
from fluorospread.imaging.registration import MatchRefused, match, warp_to_measured
from fluorospread.imaging.subtraction import difference
from fluorospread.model.case import Role
from fluorospread.model.radiograph import ArrayFrames, BoolImage, FloatImage, FrameSource, Quantity, Radiograph
from fluorospread.pipeline.segment_case import images_before_contrast

# Width of the field where no scale is known: it sets the widths of filters only.
_ASSUMED_FIELD_MM = 250.0
# Just enough to calm the noise of two images; the eye does the rest.
_BLUR_PX = 0.7


@dataclass(frozen=True)
class SubtractionView:
    """A difference to look at, in the pixels of image `measured`; contrast is bright.

    Attributes
    ----------
    measured, reference
        Indices of the two images; the same for a run.
    frames
        One difference, or one for each frame of a run, (rows, cols) float32.
    aligned_reference
        The earlier image (or the run's mask) where it lies in the measured one, (rows, cols) float32.
    field_of_view
        Where both images are known.
    """

    measured: int
    reference: int
    frames: FrameSource
    aligned_reference: FloatImage
    field_of_view: BoolImage


@dataclass(frozen=True)
class SubtractedFrames:
    """Frames of a run less its mask, computed one at a time."""

    source: FrameSource
    mask: FloatImage

    @property
    def shape(self) -> tuple[int, int]:
        return self.source.shape

    @property
    def count(self) -> int:
        return self.source.count

    def frame(self, index: int) -> FloatImage:
        return self.source.frame(index) - self.mask


def subtraction_view(roles: Sequence[Role], radiographs: Sequence[Radiograph]) -> SubtractionView | None:
    """The last image after contrast less the first one before it that shows the same view; None without one.

    Raises
    ------
    InputError
        A frame cannot be read.
    """
    shown = [i for role in (Role.CINE, Role.POST) for i, own in enumerate(roles) if own is role]
    if not shown:
        return None
    measured = shown[-1]
    if radiographs[measured].is_cine:
        return _of_run(measured, radiographs[measured])
    for reference in images_before_contrast(roles, None):
        view = _of_pair(measured, reference, radiographs[measured], radiographs[reference])
        if view is not None:
            return view
    return None


def _of_run(index: int, run: Radiograph) -> SubtractionView:
    named = [frame for frame in run.mask_frames if 0 <= frame < run.frames.count]
    mask = mean_frame(run.pixels, named or [0])
    return SubtractionView(index, index, SubtractedFrames(run.frames, mask), mask, run.field_of_view)


def _of_pair(measured: int, reference: int, after: Radiograph, before: Radiograph) -> SubtractionView | None:
    if after.shape != before.shape:
        return None
    mm_per_px = after.geometry.mm_per_px or _ASSUMED_FIELD_MM / max(after.shape)
    new, old = after.pixels(), before.pixels(before.frames.count - 1)
    found = match(old, new, (before.field_of_view, after.field_of_view), mm_per_px)
    if isinstance(found, MatchRefused):
        return None
    warped, known = warp_to_measured(old, found, before.field_of_view)
    valid = known & after.field_of_view
    linear = after.quantity is before.quantity is Quantity.NATURAL_LOG
    change = difference(new, warped, valid, linear, _BLUR_PX)
    signal = np.where(valid, change.signal, np.float32(0)).astype(np.float32)
    return SubtractionView(measured, reference, ArrayFrames(signal[None]), warped, valid)
