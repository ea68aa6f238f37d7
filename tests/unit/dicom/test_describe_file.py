"""A study folder is sorted by headers alone."""

from __future__ import annotations

import numpy as np
import pytest

from fluorospread.dicom.describe_file import describe_file
from fluorospread.dicom.file_kind import FileKind
from fluorospread.errors import MissingFileError, NotAnImageError


@pytest.mark.parametrize(
    ("tags", "hint"),
    [
        ({"SeriesDescription": "AP post contrast"}, "post"),
        ({"SeriesDescription": "L-spine_needle"}, "needle"),
        ({"SeriesDescription": "Scout pre contrast"}, "pre"),
        ({"SeriesDescription": "no contrast"}, "pre"),
        ({"ImageComments": "needle tip at target"}, "needle"),
        ({"SeriesDescription": "needle", "ViewPosition": "LL"}, "lateral"),
        ({"SeriesDescription": "Lumbar"}, ""),
        ({"SeriesDescription": "positioning"}, ""),
        ({}, ""),
    ],
)
def test_the_role_hint_follows_view_and_words(builders, tmp_path, tags, hint):
    path = builders.write_dicom(tmp_path / "a.dcm", builders.xray_dataset(builders.ramp(), **tags))
    assert describe_file(path).role_hint == hint


def test_several_frames_hint_at_a_cine(builders, tmp_path):
    path = builders.write_dicom(tmp_path / "a.dcm", builders.xray_dataset(np.stack([builders.ramp()] * 3)))
    summary = describe_file(path)
    assert (summary.role_hint, summary.frames, summary.hint_reason) == ("cine", 3, "3 frames")


def test_identity_and_time_are_read_without_the_pixels(builders, tmp_path):
    dataset = builders.xray_dataset(builders.ramp(), ContentDate="20240506", ContentTime="070809", InstanceNumber=4)
    path = builders.write_dicom(tmp_path / "a.dcm", dataset)
    # Cut the pixels off: the header is enough.
    path.write_bytes(path.read_bytes()[: -builders.ramp().nbytes])
    summary = describe_file(path)
    assert (summary.patient_id, summary.study_instance_uid, summary.modality) == ("P-1", "2.25.12", "XA")
    assert (summary.acquisition_time, summary.instance_number) == ("20240506070809", 4)
    assert (summary.rows, summary.cols) == (24, 20)
    assert summary.is_projection


def test_other_dicom_is_described_as_no_projection(builders, tmp_path):
    report = builders.xray_dataset(builders.ramp(), Modality="SR", Rows=None, Columns=None, PixelData=None)
    assert not describe_file(builders.write_dicom(tmp_path / "sr.dcm", report)).is_projection
    slice_of_ct = builders.xray_dataset(builders.ramp(), Modality="CT")
    assert not describe_file(builders.write_dicom(tmp_path / "ct.dcm", slice_of_ct)).is_projection


def test_a_picture_is_described_by_its_size(builders, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(builders.png(builders.ramp(30, 40)))
    summary = describe_file(path)
    assert (summary.kind, summary.rows, summary.cols) == (FileKind.PICTURE, 30, 40)


def test_what_is_no_image_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(NotAnImageError):
        describe_file(tmp_path / "a.txt")
    with pytest.raises(MissingFileError):
        describe_file(tmp_path / "b.txt")
