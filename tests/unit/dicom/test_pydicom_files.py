"""Every file that pydicom's wheel carries is read with the right pixels, or refused by the error of this table."""

from __future__ import annotations

import warnings
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pydicom
import pytest

from fluorospread.dicom.read_radiograph import read_radiograph
from fluorospread.dicom.stored_frames import open_frames
from fluorospread.errors import ImageSizeError, InputError, NotAnImageError, TruncatedImageError, UnsupportedImageError

DATA = Path(pydicom.__file__).parent / "data"
FILES = sorted(
    path for path in DATA.rglob("*") if path.is_file() and path.suffix != ".py" and path.parent.name != "__pycache__"
)

# (rows, cols) of what is read. The others are secondary captures of text and odd sizes: images all the same.
READ = {
    "charset_files/chr[!JKS]*.dcm": (32, 32),
    "test_files/JPEGLSNearLossless_08.dcm": (45, 10),
    "test_files/JPEGLSNearLossless_16.dcm": (50, 10),
    "test_files/dicomdirtests/77654033/CR?/*": (16, 16),
    "test_files/image_dfl.dcm": (512, 512),
}
# Error, a word of its message, and the files it is for. The first pattern that fits counts.
REFUSED: tuple[tuple[type[InputError], str, str], ...] = (
    # Their headers have rows and columns, and the file ends there.
    (TruncatedImageError, "ends before", "charset_files/chr[JK]*.dcm"),
    (NotAnImageError, "neither DICOM", "*.txt *.md *.json *.icc *.dump *.gz */README"),
    # Its first byte is a space.
    (NotAnImageError, "neither DICOM", "test_files/no_meta.dcm"),
    (NotAnImageError, "without pixels", "charset_files/chrSQ*.dcm palettes/*.dcm */DICOMDIR* */TINY_ALPHA/*/IM*"),
    (
        NotAnImageError,
        "without pixels",
        "*/ExplVR_*NoMeta.dcm */UN_sequence.dcm */priv_SQ.dcm",
    ),
    (NotAnImageError, "without pixels", "test_files/empty_charset_LEI.dcm test_files/no_meta_group_length.dcm"),
    (NotAnImageError, "without pixels", "test_files/reportsi*.dcm test_files/rtplan*.dcm test_files/rtstruct.dcm"),
    (NotAnImageError, "without pixels", "test_files/test-SR.dcm test_files/waveform_ecg.dcm"),
    (NotAnImageError, "no Rows", "test_files/meta_missing_tsyntax.dcm test_files/nested_priv_SQ.dcm"),
    (UnsupportedImageError, "modality CT", "*/CT2/* */CT2N/* */CT5N/* */CT_small.dcm */693_*.dcm */J2K_pixelrep*.dcm"),
    (UnsupportedImageError, "modality MR", "*/MR1/* */MR2/* */MR700/* */MR_*.dcm */examples_overlay.dcm"),
    (UnsupportedImageError, "modality NM", "*/JPEG-lossy.dcm */JPEG2000*.dcm */JPGExtended.dcm"),
    (UnsupportedImageError, "modality US", "*/ExplVR_BigEnd.dcm */examples_*.dcm"),
    (UnsupportedImageError, "modality RTDOSE", "*/rtdose*.dcm */badVR.dcm"),
    (UnsupportedImageError, "modality SEG", "*/liver_*.dcm"),
    (UnsupportedImageError, "neither JPEG nor JPEG 2000", "*/GDCMJ2K_TextGBR.dcm"),
    (UnsupportedImageError, "colour in", "*/SC_rgb_rle_16bit*.dcm */SC_rgb_rle_32bit*.dcm"),
    (UnsupportedImageError, "colour image in JPEG Lossless", "*/SC_rgb_jpeg_gdcm.dcm"),
    (ImageSizeError, "3 x 3 pixels", "*/SC_rgb_small_odd*.dcm"),
    (UnsupportedImageError, "colour picture", "*/SC_*.dcm"),
)


def shown(path: Path) -> str:
    return path.relative_to(DATA).as_posix()


def shape_of(path: Path) -> tuple[int, int] | None:
    return next((shape for pattern, shape in READ.items() if fnmatch(shown(path), pattern)), None)


def refusal_of(path: Path) -> tuple[type[InputError], str] | None:
    fits = ((error, words) for error, words, patterns in REFUSED for p in patterns.split() if fnmatch(shown(path), p))
    return next(fits, None)


def test_the_table_covers_every_file_and_every_line_of_it_is_needed():
    assert len(FILES) > 150
    assert [shown(path) for path in FILES if shape_of(path) is None and refusal_of(path) is None] == []
    patterns = [*READ, *(p for _, _, line in REFUSED for p in line.split())]
    assert [p for p in patterns if not any(fnmatch(shown(path), p) for path in FILES)] == []


@pytest.mark.parametrize("path", [path for path in FILES if shape_of(path)], ids=shown)
def test_files_that_are_read_have_the_pixels_that_pydicom_gives(path):
    radiograph = read_radiograph(path)
    assert radiograph.shape == shape_of(path)
    assert np.isfinite(radiograph.pixels()).all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = pydicom.dcmread(path).pixel_array
    np.testing.assert_array_equal(radiograph.frames.kept, expected)


@pytest.mark.parametrize("path", [path for path in FILES if not shape_of(path)], ids=shown)
def test_files_that_are_no_radiographs_are_refused_by_name(path):
    refusal = refusal_of(path)
    assert refusal is not None
    error, words = refusal
    with pytest.raises(error, match=words) as caught:
        read_radiograph(path)
    assert type(caught.value) is error
    assert path.name in str(caught.value)


MR_ENCODINGS = ("RLE", "bigendian", "expb", "implicit", "jp2klossless", "jpeg_ls_lossless", "padded")


@pytest.mark.parametrize("encoding", MR_ENCODINGS)
def test_lossless_encodings_of_one_image_have_the_same_pixels(encoding):
    folder = DATA / "test_files"
    reference = open_frames(folder / "MR_small.dcm")[1].stored(0)
    np.testing.assert_array_equal(open_frames(folder / f"MR_small_{encoding}.dcm")[1].stored(0), reference)


@pytest.mark.parametrize("name", ["JPGExtended.dcm", "JPEG-lossy.dcm"])
def test_12_bit_jpeg_extended_has_the_pixels_that_dcmtk_gives(name, capfd):
    stored = open_frames(DATA / "test_files" / name)[1].stored(0)
    assert stored.shape == (1024, 256)
    # Of dcmdjpeg 3.6.7, which agrees in every pixel.
    assert [int(stored[at]) for at in ((420, 140), (300, 120), (600, 100), (421, 143))] == [244, 37, 23, 264]
    assert int(stored.sum()) == 3_767_007
    # GDCM's decoders that do not fit complain on the process's error stream, where nothing of theirs belongs.
    assert capfd.readouterr().err == ""
