"""Flags of a case beside where its contrast truly went: what was suspected, and what was there to be suspected."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fluorospread.evaluation.metrics import DecisionScore
from fluorospread.evaluation.truth_files import TrueCase, TrueImage
from fluorospread.model.anatomy import Level
from fluorospread.model.findings import ContrastMethod
from fluorospread.model.radiograph import BoolImage
from fluorospread.model.spread import Answer
from fluorospread.pipeline.verify_case import VerifiedCase

# Of contrast beyond L3 or S1, this much counts as there and so much less as not; what lies between is not scored.
_THERE_MM2, _NOT_THERE_MM2 = 25.0, 5.0


def flags_at_truth(verified: VerifiedCase, truth: TrueCase) -> tuple[DecisionScore, ...]:
    """One yes or no for each kind of flag; none where no image was measured for contrast."""
    index = verified.result.contrast.image
    if index is None:
        return ()
    image = verified.result.images[index]
    true = truth.image(Path(image.path).name)
    if true is None:
        return ()
    suspected = {flag.code for flag in verified.result.flags}
    in_run = verified.result.contrast.method is ContrastMethod.CINE
    kinds = (
        ("vascular in a run" if in_run else "vascular in a still", "vascular-uptake-suspected", {"vascular"}),
        ("epidural or foraminal", "epidural-spread-suspected", {"epidural", "foraminal"}),
        ("intra-articular", "intra-articular-contrast-suspected", {"intra-articular"}),
    )
    scores = [_score(name, code in suspected, bool(truth.aberrant & there)) for name, code, there in kinds]
    mask = true.mask_at(image.frame)
    if mask is not None:
        beyond = (
            ("cranial beyond L3", "spread-cranial-of-expected", _beyond_mm2(mask, true, Level.L3, Level.L2)),
            ("caudal beyond S1", "spread-caudal-of-expected", _beyond_mm2(mask, true, Level.S1, None)),
        )
        scores += [
            _score(name, code in suspected, area >= _THERE_MM2)
            for name, code, area in beyond
            if not _NOT_THERE_MM2 < area < _THERE_MM2
        ]
    return tuple(scores)


def _score(name: str, said: bool, true: bool) -> DecisionScore:
    return DecisionScore(name, Answer.YES if said else Answer.NO, Answer.YES if true else Answer.NO)


def _beyond_mm2(mask: BoolImage, image: TrueImage, limit: Level, beyond: Level | None) -> float:
    """True contrast nearer to the vertebra `beyond` than to the last expected one; below S1 as far as L5's border lies
    above it."""
    last = image.centers.get(limit)
    other = image.centers.get(beyond) if beyond is not None else None
    if beyond is None and last is not None and (above := image.centers.get(Level.L5)) is not None:
        other = (2.0 * last[0] - above[0], last[1])
    if last is None or other is None:
        return 0.0
    border, rows = 0.5 * (last[0] + other[0]), np.arange(mask.shape[0])
    part = mask[rows < border] if other[0] < border else mask[rows > border]
    return float(part.sum()) * image.mm_per_px**2
