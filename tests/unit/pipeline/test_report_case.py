"""A report shows the images that were measured, and nothing that only has their name."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from fluorospread.dicom.file_kind import file_sha256
from fluorospread.dicom.read_radiograph import read_radiograph
from fluorospread.errors import CaseFileError
from fluorospread.model.case import CaseImage, CaseResult, ContrastResult, Override, Role, SoftwareVersion
from fluorospread.model.findings import ContrastMethod, ContrastStatus
from fluorospread.model.geometry import NO_SCALE, UNKNOWN_ORIENTATION
from fluorospread.model.radiograph import PolaritySource, Quantity
from fluorospread.model.verdict import Outcome, Verdict
from fluorospread.pipeline import report_case as module
from fluorospread.pipeline.report_case import report_case
from fluorospread.reporting.case_json import dump_case_json, read_case_json
from fluorospread.reporting.panel import Picture


def _picture(path: Path) -> bytes:
    ramp = np.linspace(20, 230, 128, dtype=np.uint8)
    Image.fromarray(np.tile(ramp, (128, 1))).save(path)
    return path.read_bytes()


def _case(folder: Path, frames: int = 1) -> Path:
    """A finished case of one image: case.json, its image beside it, and the annotated page."""
    content = _picture(folder / "needle.png")
    image = CaseImage(
        path="needle.png",
        sha256=hashlib.sha256(content).hexdigest(),
        role=Role.NEEDLE,
        role_source="file name",
        rows=128,
        cols=128,
        frames=frames,
        sop_instance_uid="",
        geometry=NO_SCALE,
        orientation=UNKNOWN_ORIENTATION,
        quantity=Quantity.RELATIVE,
        polarity_source=PolaritySource.GIVEN,
    )
    result = CaseResult(
        case_id="case",
        software=SoftwareVersion("fluorospread", "0.1.0", "ab" * 32),
        protocol_name="total-dorsal-ramus-block-l4-l5",
        protocol_sha256="cd" * 32,
        contrast_given=False,
        images=(image,),
        reference_image=None,
        contrast=ContrastResult(ContrastStatus.NOT_GIVEN, ContrastMethod.NONE, "none was given"),
        coverage=(),
        punctures=(),
        flags=(),
        verdict=Verdict(Outcome.UNDETERMINED, Outcome.UNDETERMINED, Outcome.NOT_APPLICABLE, ()),
        overrides=(Override("polarity", "bone-bright"),),
    )
    (folder / "case.json").write_text(dump_case_json(result), encoding="utf-8")
    _picture(folder / "annotated.png")
    return folder


def _captions(folder: Path) -> str:
    (html,) = report_case(folder, pdf=False)
    return html.read_text(encoding="utf-8").split("<h2>Annotated images</h2>")[1].split("<h2>")[0]


def test_the_measured_image_is_drawn_large(tmp_path: Path) -> None:
    shown = _captions(_case(tmp_path))
    assert shown.count("<img ") == 1
    assert "Image 1 (needle): needle.png" in shown


def test_an_image_that_changed_since_is_not_shown_as_the_one_measured(tmp_path: Path) -> None:
    folder = _case(tmp_path)
    (folder / "needle.png").write_bytes((folder / "needle.png").read_bytes() + b" ")
    shown = _captions(folder)
    assert "Image 1 (needle)" not in shown
    assert "annotated.png" in shown


@pytest.mark.parametrize("lost", ["needle.png", "annotated.png"])
def test_what_is_missing_is_replaced_or_left_out(tmp_path: Path, lost: str) -> None:
    folder = _case(tmp_path)
    (folder / lost).unlink()
    assert _captions(folder).count("<img ") == 1


def test_without_any_picture_the_report_says_so(tmp_path: Path) -> None:
    folder = _case(tmp_path)
    for name in ("needle.png", "annotated.png"):
        (folder / name).unlink()
    assert "cannot be judged from this report alone" in _captions(folder)


def test_of_a_run_the_frame_that_was_measured_is_drawn(
    tmp_path: Path, builders: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = np.stack([np.roll(builders.ramp(), shift, axis=1) for shift in (0, 3, 7)])
    path = builders.write_dicom(tmp_path / "run.dcm", builders.xray_dataset(stack))
    single = read_case_json(_case(tmp_path) / "case.json")
    rows, cols = stack.shape[1:]
    image = replace(single.images[0], path=path.name, sha256=file_sha256(path), rows=rows, cols=cols, frames=3, frame=2)
    (tmp_path / "case.json").write_text(dump_case_json(replace(single, images=(image,), overrides=())), "utf-8")
    drawn: list[Picture | None] = []
    monkeypatch.setattr(module, "report_pictures", lambda _result, pictures: drawn.extend(pictures) or [])
    report_case(tmp_path, pdf=False)
    (picture,) = drawn
    assert picture is not None
    np.testing.assert_array_equal(picture.pixels, read_radiograph(path).pixels(2))
    assert not np.array_equal(picture.pixels, read_radiograph(path).pixels(0))


def test_a_file_with_other_frames_than_were_measured_is_not_drawn(tmp_path: Path) -> None:
    assert "annotated.png" in _captions(_case(tmp_path, frames=12))


def test_reports_go_where_asked(tmp_path: Path) -> None:
    written = report_case(_case(tmp_path) / "case.json", tmp_path / "reports", pdf=False)
    assert written == (tmp_path / "reports" / "case_report.html",)


def test_no_case_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(CaseFileError, match="no such file"):
        report_case(tmp_path)
