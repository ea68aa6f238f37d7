"""Two programs that are not ours read every result object without an error: dciodvfy and DCMTK's dsrdump."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.review import Confidence, EventKind, ImageQuality, PunctureReading, Reading, ReviewEvent
from fluorospread.model.spread import Answer
from fluorospread.pipeline.apply_review import subject_of
from fluorospread.pipeline.publish_results import PublishOptions, write_dicom_results
from fluorospread.store.reader_key import open_reader_key
from fluorospread.store.review_store import ReviewStore

# Content trees, which dsrdump reads.
TREES = ("SR", "KO")
CR, DX, SC = "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.7"

DEIDENTIFIED = Dataset()
DEIDENTIFIED.CodeValue, DEIDENTIFIED.CodingSchemeDesignator = "113100", "DCM"
DEIDENTIFIED.CodeMeaning = "Basic Application Confidentiality Profile"

CASES: dict[str, dict[str, Any]] = {
    "XA": {"PatientName": "Müller^Åsa"},
    # A scale of its own, as calibrated films have, and a frame of reference without a position in it.
    "CR": {"SOPClassUID": CR, "Modality": "CR", "PixelSpacing": [0.2, 0.2], "FrameOfReferenceUID": "2.25.77"},
    "DX": {
        "SOPClassUID": DX,
        "Modality": "DX",
        "PhotometricInterpretation": "MONOCHROME1",
        "RescaleSlope": "2",
        "PatientIdentityRemoved": "YES",
        "DeidentificationMethodCodeSequence": [DEIDENTIFIED],
    },
    # What a screenshot lacks: sides, scale, and here even who the patient is.
    "SC": {"SOPClassUID": SC, "Modality": "OT", "PatientOrientation": None, "PatientName": None, "StudyID": None},
}


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (.ci/install_system_packages installs it)")
    return found


@pytest.fixture(scope="module")
def results(result_cases: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, ...]]:
    """Results of one case for each kind of image, of a run, and of a case in which nothing was found."""
    options = PublishOptions(pdf=False)
    made = {}
    for name, tags in CASES.items():
        folder = tmp_path_factory.mktemp(name)
        result_cases.write_case(result_cases.full_case(folder, **tags), folder)
        made[name] = write_dicom_results(folder, options=PublishOptions(pdf=name == "XA"))
    for name in ("run_case", "bare_case"):
        folder = tmp_path_factory.mktemp(name)
        result_cases.write_case(getattr(result_cases, name)(folder), folder)
        made[name] = write_dicom_results(folder, options=options)
    made["signed"] = signed(result_cases, tmp_path_factory.mktemp("signed"))
    return made


def signed(result_cases: ModuleType, folder: Path) -> tuple[Path, ...]:
    case = result_cases.of_image_sides(result_cases.full_case(folder))
    result_cases.write_case(case, folder)
    answer = PunctureReading(Side.LEFT, Level.L5, Level.L5, Answer.YES, Confidence.HIGH, (62.0, 52.0))
    reading = Reading((answer,), (), Answer.NO, ImageQuality.GOOD, "„gut“\nzweite Zeile")
    with ReviewStore(str(folder / "reviews.sqlite")) as store:
        key = open_reader_key("Dr. Āda", folder / "keys")
        at = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
        store.append(ReviewEvent(subject_of(case), EventKind.SIGNED, "Dr. Āda", at, reading), key)
    return write_dicom_results(folder, options=PublishOptions(str(folder / "reviews.sqlite"), "Clinic", pdf=False))


KINDS = [*CASES, "run_case", "bare_case", "signed"]


@pytest.mark.parametrize("name", KINDS)
def test_dciodvfy_finds_no_error(name: str, results: dict[str, tuple[Path, ...]]) -> None:
    command = program("dciodvfy")
    for path in results[name]:
        done = subprocess.run([command, str(path)], capture_output=True, check=False)
        said = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()
        # It says which kind of object it took the file for, so silence is no pass.
        assert any(line.isalpha() for line in said), said
        assert [line for line in said if line.startswith(("Error", "Abort"))] == [], path.name


@pytest.mark.parametrize("name", KINDS)
def test_dsrdump_reads_every_content_tree_without_an_error(name: str, results: dict[str, tuple[Path, ...]]) -> None:
    command = program("dsrdump")
    trees = [path for path in results[name] if pydicom.dcmread(path, stop_before_pixels=True).Modality in TREES]
    assert trees
    for path in trees:
        done = subprocess.run([command, "-v", str(path)], capture_output=True, check=False)
        said = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()
        assert done.returncode == 0, said
        assert [line for line in said if line.startswith(("E:", "F:"))] == [], path.name
        assert any("Research use only, not for diagnosis." in line for line in _full_text(command, path))


def _full_text(command: str, path: Path) -> list[str]:
    """The tree with its texts in full, as a reader may print it."""
    done = subprocess.run([command, "+Pl", str(path)], capture_output=True, check=True)
    return done.stdout.decode("utf-8").splitlines()
