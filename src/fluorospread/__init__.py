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
    from fluorospread.pipeline.gather_case import gather_case
    from fluorospread.pipeline.protocols import load_protocol
    from fluorospread.pipeline.verify_case import VerifiedCase, verify_case
    from fluorospread.pipeline.write_case import write_case
    from fluorospread.reporting.case_json import case_from_json, case_to_json, read_case_json

__version__ = "0.1.0"

_HOME = {
    "CaseResult": "fluorospread.model.case",
    "Radiograph": "fluorospread.model.radiograph",
    "VerifiedCase": "fluorospread.pipeline.verify_case",
    "case_from_json": "fluorospread.reporting.case_json",
    "case_to_json": "fluorospread.reporting.case_json",
    "gather_case": "fluorospread.pipeline.gather_case",
    "load_protocol": "fluorospread.pipeline.protocols",
    "read_case_json": "fluorospread.reporting.case_json",
    "read_radiograph": "fluorospread.dicom.read_radiograph",
    "verify_case": "fluorospread.pipeline.verify_case",
    "write_case": "fluorospread.pipeline.write_case",
}

__all__ = [
    "CaseResult",
    "Radiograph",
    "VerifiedCase",
    "__version__",
    "case_from_json",
    "case_to_json",
    "gather_case",
    "load_protocol",
    "read_case_json",
    "read_radiograph",
    "verify_case",
    "write_case",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
