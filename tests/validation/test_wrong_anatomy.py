"""What is no frontal lumbar spine is never numbered with confidence, and nothing is verified on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluorospread.model.case import CaseResult
from fluorospread.model.findings import LevelStatus
from fluorospread.model.verdict import Outcome
from fluorospread.pipeline.gather_case import CaseOverrides
from fluorospread.pipeline.verify_many import RunOptions, gather_all, verify_many

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not there"),
]

# A chest with lower thoracic vertebrae and ribs, a leg, a hip under fluoroscopy, a skull's arteries, a heart's.
OTHERS = (
    "odd_dicom/cr_chest_mono1.dcm",
    "odd_dicom/rg3_mono1_J2KI.dcm",
    "odd_dicom/rf_hip_guidewire.dcm",
    "odd_dicom/xa1_UNC.dcm",
    "contrast/xa_cine_96f.dcm",
)


@pytest.mark.parametrize("name", OTHERS)
def test_other_anatomy_is_never_numbered_with_confidence(name):
    requests = gather_all([SHARED / name], False, CaseOverrides())
    (result,) = verify_many(requests, RunOptions(), lambda _index, _text: None)
    assert isinstance(result, CaseResult)
    assert result.verdict.outcome is Outcome.UNDETERMINED
    for image in result.images:
        if image.levels is not None:
            assert image.levels.status is not LevelStatus.CONFIDENT
            assert image.levels.reason
    assert all(puncture.level is None for puncture in result.punctures)
