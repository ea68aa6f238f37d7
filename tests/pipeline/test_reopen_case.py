"""A sample case verified, reopened and concluded again without a change: the same result."""

from __future__ import annotations

from pathlib import Path

from fluorospread.pipeline.conclude_again import conclude_again
from fluorospread.pipeline.gather_case import CaseOverrides, gather_case
from fluorospread.pipeline.protocols import DEFAULT_PROTOCOL, load_protocol
from fluorospread.pipeline.reopen_case import reopen_case
from fluorospread.pipeline.verify_case import verify_case

SAMPLES = Path(__file__).parents[2] / "sample_dicom"


def test_a_reopened_case_is_measured_and_judged_as_when_it_was_verified() -> None:
    protocol = load_protocol(DEFAULT_PROTOCOL)
    verified = verify_case(gather_case(SAMPLES / "P1-01", None, CaseOverrides()), protocol)
    reopened = reopen_case(verified.result, verified.radiographs)
    again = conclude_again(reopened, verified.result, verified.contrast.mask, protocol)
    assert again.contrast == verified.result.contrast
    assert again.punctures == verified.result.punctures
    assert again.flags == verified.result.flags
    # Coverage adds the carrying's uncertainty in another order, so its last digits differ.
    assert again.verdict == verified.result.verdict
