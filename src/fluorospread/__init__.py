"""fluorospread: verifies needle level and contrast spread of lumbar nerve blocks from fluoroscopy.

Names are loaded when first used, so that importing the package costs nothing and needs no DICOM library.

Research use only, not for diagnosis.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fluorospread.dicom.read_radiograph import read_radiograph
    from fluorospread.model.case import CaseResult
    from fluorospread.model.radiograph import Radiograph
    from fluorospread.pipeline.gather_case import CaseOverrides
    from fluorospread.pipeline.protocols import load_protocol
    from fluorospread.pipeline.script_calls import verify_case, verify_cohort
    from fluorospread.pipeline.shown_results import CohortResult, open_case, to_dataframe
    from fluorospread.reporting.case_json import case_from_json, case_to_json, read_case_json

__version__ = "0.1.0"

_HOME = {
    "CaseOverrides": "fluorospread.pipeline.gather_case",
    "CaseResult": "fluorospread.model.case",
    "CohortResult": "fluorospread.pipeline.shown_results",
    "Radiograph": "fluorospread.model.radiograph",
    "case_from_json": "fluorospread.reporting.case_json",
    "case_to_json": "fluorospread.reporting.case_json",
    "load_protocol": "fluorospread.pipeline.protocols",
    "open_case": "fluorospread.pipeline.shown_results",
    "read_case_json": "fluorospread.reporting.case_json",
    "read_radiograph": "fluorospread.dicom.read_radiograph",
    "to_dataframe": "fluorospread.pipeline.shown_results",
    "verify_case": "fluorospread.pipeline.script_calls",
    "verify_cohort": "fluorospread.pipeline.script_calls",
}

__all__ = [
    "CaseOverrides",
    "CaseResult",
    "CohortResult",
    "Radiograph",
    "__version__",
    "case_from_json",
    "case_to_json",
    "load_protocol",
    "open_case",
    "read_case_json",
    "read_radiograph",
    "to_dataframe",
    "verify_case",
    "verify_cohort",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
