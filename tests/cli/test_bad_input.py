"""Files that are no radiograph, as a user meets them: one line that names the error, exit code 3, nothing written."""

import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from fluorospread.cli.app import run


def save(pixels, path):
    Image.fromarray(pixels).save(path)


def missing(path, builders):
    pass


def empty(path, builders):
    path.write_bytes(b"")


def truncated(path, builders):
    save(builders.trunk(128, 128).astype(np.uint16), path)
    path.write_bytes(path.read_bytes()[:600])


def not_an_image(path, builders):
    path.write_text("this is no image, but a note of some length about one\n" * 20)


def colour(path, builders):
    rng = np.random.default_rng(0)
    save(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8), path)


def all_black(path, builders):
    save(np.zeros((64, 64), dtype=np.uint8), path)


def huge(path, builders):
    """A header that promises 13000 x 13000 pixels; refused before anything of that size is allocated."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 13000, 13000, 16, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def zero_size(path, builders):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    body = chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 0, 8, 0, 0, 0, 0)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def not_a_number(path, builders):
    pixels = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64)
    pixels[3, 3] = np.nan
    Image.fromarray(pixels).save(path, format="TIFF")


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (missing, "MissingFileError"),
        (empty, "TruncatedImageError"),
        (truncated, "TruncatedImageError"),
        (not_an_image, "NotAnImageError"),
        (colour, "UnsupportedImageError"),
        (all_black, "PixelValueError"),
        (huge, "ImageSizeError"),
        (zero_size, ""),
        (not_a_number, "PixelValueError"),
    ],
)
def test_bad_input_is_a_named_error_and_leaves_nothing(tmp_path, capsys, builders, make, kind):
    path, out = tmp_path / "film.png", tmp_path / "out"
    make(path, builders)
    assert run(["verify", str(path), "--out", str(out)]) == 3
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    assert kind in printed.err
    assert "Error" in printed.err
    assert "film.png" in printed.err
    assert len(printed.err.strip().splitlines()) == 1
    assert list(out.iterdir()) == []


def test_identifiers_with_path_characters_lead_nowhere(tmp_path, capsys, builders):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom rightly warns of such identifiers
        dataset = builders.xray_dataset(
            builders.trunk(128, 128),
            PatientID="../../etc/passwd",
            StudyInstanceUID="../../../evil",
            SOPInstanceUID="../evil",
            SeriesDescription="/tmp/evil; rm -rf /",
        )
    folder = tmp_path / "outer" / "inner"
    folder.mkdir(parents=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        builders.write_dicom(folder / "film.dcm", dataset)
    assert run(["verify", str(folder / "film.dcm"), "--out", str(folder / "out")]) == 5
    assert "Traceback" not in capsys.readouterr().err
    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert written == ["outer/inner/film.dcm", "outer/inner/out/annotated.png", "outer/inner/out/case.json"]
