"""Truth of an image carried along when the image is moved or cut. Points are (row, col) in pixels."""

from __future__ import annotations

import dataclasses

import numpy as np

from fluorospread.model.geometry import PointPx
from fluorospread.simulation.film_change import Motion
from fluorospread.simulation.truth import ImageTruth, PointTruth


def moved_truth(truth: ImageTruth, motion: Motion) -> ImageTruth:
    """The truth of an image after a motion: points, field of view and iodine go with the film."""

    def point(p: PointTruth) -> PointTruth:
        return dataclasses.replace(p, point_px=motion.point(p.point_px))

    iodine = truth.areal_iodine_mg_cm2
    return dataclasses.replace(
        truth,
        vertebrae=tuple(point(v) for v in truth.vertebrae),
        junctions=tuple(point(j) for j in truth.junctions),
        needles=tuple(
            dataclasses.replace(n, tip_px=motion.point(n.tip_px), hub_px=motion.point(n.hub_px)) for n in truth.needles
        ),
        open_field=motion.image(truth.open_field.astype(np.float32), order=1) > 0.999,
        areal_iodine_mg_cm2=None if iodine is None else motion.image(iodine, order=1),
    )


def cut_truth(truth: ImageTruth, cut: int) -> ImageTruth:
    """The truth of the image without `cut` pixels at each border; what that leaves out is out of view."""
    rows, cols = (size - 2 * cut for size in truth.open_field.shape)
    inside = (slice(cut, cut + rows), slice(cut, cut + cols))
    field_of_view = truth.open_field[inside]

    def at(p: PointPx) -> PointPx:
        return p[0] - cut, p[1] - cut

    def point(p: PointTruth) -> PointTruth:
        row, col = at(p.point_px)
        shown = 0 <= round(row) < rows and 0 <= round(col) < cols
        return dataclasses.replace(
            p, point_px=(row, col), in_view=bool(shown and field_of_view[round(row), round(col)])
        )

    iodine = truth.areal_iodine_mg_cm2
    return dataclasses.replace(
        truth,
        vertebrae=tuple(point(v) for v in truth.vertebrae),
        junctions=tuple(point(j) for j in truth.junctions),
        needles=tuple(dataclasses.replace(n, tip_px=at(n.tip_px), hub_px=at(n.hub_px)) for n in truth.needles),
        open_field=np.ascontiguousarray(field_of_view),
        areal_iodine_mg_cm2=None if iodine is None else np.ascontiguousarray(iodine[inside]),
    )
