"""A deflated file is read like any other, one frame at a time, and leaves nothing behind."""

from __future__ import annotations

import gc
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from fluorospread.dicom.deflated import inflated
from fluorospread.dicom.read_radiograph import read_radiograph
from fluorospread.dicom.stored_frames import open_frames
from fluorospread.errors import TruncatedImageError, UnsupportedImageError


def cine(builders, frames=40, side=128):
    return np.stack([np.roll(builders.trunk(side, side), index, axis=0) for index in range(frames)])


def test_a_file_that_is_not_deflated_is_left_alone(builders, tmp_path):
    path = builders.write_dicom(tmp_path / "a.dcm", builders.xray_dataset(builders.ramp()), ExplicitVRLittleEndian)
    assert inflated(path) is None


def test_frames_of_a_deflated_cine_may_be_read_from_several_threads_at_once(builders, tmp_path):
    stack = cine(builders)
    path = builders.write_dicom(tmp_path / "a.dcm", builders.xray_dataset(stack), DeflatedExplicitVRLittleEndian)
    frames = open_frames(path)[1]
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(frames.stored, range(len(stack))))
    np.testing.assert_array_equal(np.stack(read), stack)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian], ids=lambda s: s.keyword)
def test_reading_a_cine_never_holds_all_its_frames(builders, tmp_path, syntax):
    stack = cine(builders, frames=120, side=192)
    path = builders.write_dicom(tmp_path / "a.dcm", builders.xray_dataset(stack), syntax)
    read_radiograph(path)  # loads what the reader imports on first use
    tracemalloc.start()
    radiograph = read_radiograph(path)
    for index in range(radiograph.frames.count):
        radiograph.pixels(index)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Inflating takes a piece of 1 MiB twice, filters of one frame some 60 bytes a pixel; all frames are 8.8 MB.
    assert peak < 5e6
    assert stack.nbytes > 8e6


def test_the_inflated_copy_is_gone_with_the_image(builders, tmp_path, monkeypatch):
    path = builders.write_dicom(
        tmp_path / "a.dcm", builders.xray_dataset(builders.ramp()), DeflatedExplicitVRLittleEndian
    )
    opened = inflated(path)
    assert opened is not None
    file = opened.file
    assert not file.closed
    del opened
    gc.collect()
    assert file.closed
    assert [child.name for child in tmp_path.iterdir()] == ["a.dcm"]


def test_damaged_deflated_data_are_truncated(builders, tmp_path):
    path = builders.write_dicom(
        tmp_path / "a.dcm", builders.xray_dataset(builders.ramp()), DeflatedExplicitVRLittleEndian
    )
    content = bytearray(path.read_bytes())
    # The data set follows the file meta information; a block of type 3 is none (RFC 1951, 3.2.3).
    content[144 + int.from_bytes(content[140:144], "little")] = 0xFF
    path.write_bytes(content)
    with pytest.raises(TruncatedImageError, match=r"a\.dcm"):
        open_frames(path)[1].stored(0)


def test_no_room_for_the_inflated_copy_is_said(builders, tmp_path, monkeypatch):
    path = builders.write_dicom(
        tmp_path / "a.dcm", builders.xray_dataset(builders.ramp()), DeflatedExplicitVRLittleEndian
    )

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(UnsupportedImageError, match=r"a\.dcm.*No space left.*uncompressed"):
        open_frames(path)
