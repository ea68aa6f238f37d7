"""Screenshots are read as grey; colour, damage and NaN are refused by name."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFile

from fluorospread.dicom.picture_files import equal_channels, is_picture, read_picture
from fluorospread.dicom.read_radiograph import ReadOverrides, read_radiograph
from fluorospread.errors import (
    ImageSizeError,
    NotAnImageError,
    PixelValueError,
    TruncatedImageError,
    UnsupportedImageError,
)
from fluorospread.model.geometry import ColumnsTowards, GeometrySource
from fluorospread.model.radiograph import PolaritySource, Quantity


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_grey_pictures_give_their_stored_values(builders, tmp_path, kind, dtype):
    pixels = builders.ramp(64, 48, top=250).astype(dtype) * (200 if dtype is np.uint16 else 1)
    path = tmp_path / f"a.{kind}"
    path.write_bytes(getattr(builders, kind)(pixels))
    stored, layout, notes = read_picture(path)
    np.testing.assert_array_equal(stored, pixels)
    assert layout.dtype == stored.dtype
    assert any("no geometry" in note for note in notes)


def test_a_jpeg_is_read_whatever_its_name(builders, tmp_path):
    pixels = builders.ramp(64, 48, top=250).astype(np.uint8)
    path = tmp_path / "a.png"
    path.write_bytes(builders.jpeg(pixels))
    assert np.abs(read_picture(path)[0].astype(int) - pixels).max() <= 2


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_colour_with_equal_channels_is_grey_and_noted(builders, tmp_path, mode):
    pixels = builders.ramp(64, 48, top=250).astype(np.uint8)
    Image.fromarray(pixels).convert(mode).save(tmp_path / "a.png")
    stored, _, notes = read_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(stored, pixels)
    assert any("equal channels" in note for note in notes)


def test_a_colour_picture_is_refused(builders, tmp_path):
    colour = np.repeat(builders.ramp(64, 48, top=250).astype(np.uint8)[..., None], 3, axis=2)
    colour[10:14, 10:30] = (255, 0, 0)
    path = tmp_path / "a.png"
    path.write_bytes(builders.png(colour))
    with pytest.raises(UnsupportedImageError, match="colour picture"):
        read_radiograph(path)


def test_chroma_that_jpeg_leaves_in_a_grey_picture_is_tolerated():
    colour = np.full((8, 8, 3), 100, np.uint8)
    colour[..., 0] += 4
    grey, _ = equal_channels(colour, "a")
    assert (grey == 100).all()


def test_a_float_tiff_is_relative_and_nan_is_refused(builders, tmp_path):
    pixels = builders.trunk(64, 64).astype(np.float32) / 4095
    path = tmp_path / "a.tif"
    path.write_bytes(builders.tiff(pixels))
    values = read_radiograph(path, ReadOverrides(polarity="bone-dark")).pixels()
    np.testing.assert_allclose(values, 1 - (pixels - pixels.min()) / np.ptp(pixels), atol=1e-6)
    pixels[3, 3] = np.nan
    path.write_bytes(builders.tiff(pixels))
    with pytest.raises(PixelValueError, match="NaN"):
        read_radiograph(path)


def test_a_picture_has_nothing_but_what_a_person_gives(builders, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(builders.png(builders.trunk(128, 128, bone_bright=False, top=255).astype(np.uint8)))
    alone = read_radiograph(path)
    assert alone.quantity is Quantity.RELATIVE
    assert alone.polarity_source is PolaritySource.ASSUMED_FROM_CONTENT
    assert alone.geometry.source is GeometrySource.NONE
    assert alone.orientation.columns_towards is None
    # The spine is stored dark and becomes bright.
    assert alone.pixels()[:, 60:68].mean() > alone.pixels()[:, 20:40].mean()
    given = read_radiograph(path, ReadOverrides((0.3, 0.3), ColumnsTowards.PATIENT_LEFT, polarity="bone-bright"))
    assert given.geometry.source is GeometrySource.GIVEN
    assert given.orientation.columns_towards is ColumnsTowards.PATIENT_LEFT
    assert given.polarity_source is PolaritySource.GIVEN
    assert given.pixels()[:, 60:68].mean() < given.pixels()[:, 20:40].mean()


@pytest.mark.parametrize("kind", ["png", "tiff", "jpeg"])
def test_a_picture_cut_short_is_refused(builders, tmp_path, kind):
    path = tmp_path / "a.img"
    path.write_bytes(getattr(builders, kind)(builders.trunk(256, 256, top=255).astype(np.uint8))[:-3000])
    with pytest.raises((TruncatedImageError, NotAnImageError), match=r"a\.img"):
        read_radiograph(path)


def test_a_huge_picture_is_refused_by_its_header(builders, tmp_path):
    content = bytearray(builders.png(builders.ramp(64, 48, top=250).astype(np.uint8)))
    import zlib

    # Width and height stand at bytes 16 to 24 of a PNG, the header's checksum at 29.
    content[16:24] = (60_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises((ImageSizeError, UnsupportedImageError), match=r"a\.png"):
        read_radiograph(path)


def test_black_and_white_and_single_grey_pictures_are_refused(tmp_path):
    Image.new("1", (64, 64)).save(tmp_path / "bw.png")
    Image.new("L", (64, 64), 90).save(tmp_path / "flat.png")
    with pytest.raises(UnsupportedImageError, match="black and white"):
        read_radiograph(tmp_path / "bw.png")
    with pytest.raises(PixelValueError, match="all black"):
        read_radiograph(tmp_path / "flat.png")


def test_only_the_first_page_is_read_and_that_is_said(builders, tmp_path):
    pages = [Image.fromarray(builders.ramp(32, 32, top=top)) for top in (3000, 200)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    stored, _, notes = read_picture(tmp_path / "a.tif")
    assert stored.max() == 3000
    assert any("several pages" in note for note in notes)


def test_pictures_are_told_by_their_first_bytes(builders):
    assert is_picture(builders.png(np.zeros((8, 8), np.uint8)))
    assert not is_picture(b"%PDF-1.7")


def test_a_truncated_picture_is_refused_even_where_a_library_has_told_pillow_to_accept_it(
    builders, tmp_path, monkeypatch
):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    path = tmp_path / "a.png"
    path.write_bytes(builders.png(np.random.default_rng(1).integers(0, 255, (64, 64)).astype(np.uint8))[:1500])
    with pytest.raises(TruncatedImageError, match=r"a\.png ends before its pixels do"):
        read_picture(path)
    assert ImageFile.LOAD_TRUNCATED_IMAGES
