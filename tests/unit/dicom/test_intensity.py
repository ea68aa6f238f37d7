"""Stored values become line integrals only where the file says how; all else is relative, 0..1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from fluorospread.dicom.intensity import displayed_is_stored, intensity_map, modality_transform
from fluorospread.dicom.pixel_layout import PixelLayout
from fluorospread.errors import PixelValueError, TagError
from fluorospread.model.radiograph import Quantity


def layout(bits: int = 12, *, signed: bool = False, allocated: int = 16) -> PixelLayout:
    return PixelLayout(8, 8, 1, 1, "MONOCHROME2", allocated, bits, bits - 1, signed)


def header(**tags: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    return dataset


def lut(first: int, entries: list[int], **tags: Any) -> Sequence:
    item = header(**tags)
    item.add_new("LUTDescriptor", "US", [len(entries), first & 0xFFFF, 16])
    item.add_new("LUTData", "OW", np.asarray(entries, "<u2").tobytes())
    return Sequence([item])


STORED = np.arange(100, 164, dtype=np.uint16).reshape(8, 8)
EVERYWHERE = np.ones((8, 8), bool)


def mapped(dataset: Dataset | None, stored: np.ndarray, *, bone_bright: bool, **kind: Any):
    transform = modality_transform(dataset, layout(**kind))
    intensity = intensity_map(dataset, transform, stored, EVERYWHERE, bone_bright)
    return intensity.quantity, intensity.apply(stored), intensity.notes


def test_linear_pixels_are_rescaled_before_the_logarithm():
    tags = {"PixelIntensityRelationship": "LIN", "RescaleSlope": 2, "RescaleIntercept": -100}
    quantity, values, _ = mapped(header(**tags), STORED, bone_bright=False)
    assert quantity is Quantity.NATURAL_LOG
    # 2 * 100 - 100 = 100 and 2 * 150 - 100 = 200: half the intensity is ln 2 more attenuation.
    assert values.flat[0] - values.flat[50] == pytest.approx(np.log(2.0), abs=1e-6)


def test_no_intensity_is_finite():
    stored = STORED.copy()
    stored[0, 0] = 0
    _, values, _ = mapped(header(PixelIntensityRelationship="LIN"), stored, bone_bright=False)
    # Half a grey value stands for nothing: ln 2 darker than one grey value.
    assert values[0, 0] - values[0, 1] == pytest.approx(np.log(2 * 101.0), abs=1e-5)


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"PixelIntensityRelationship": "DISP"}, "DISP"),
        ({}, "unknown"),
        ({"PixelIntensityRelationship": "LIN", "PresentationIntentType": "FOR PRESENTATION"}, "presentation"),
        ({"PixelIntensityRelationship": "LIN", "RescaleIntercept": -130, "RescaleSlope": 1}, "not positive"),
        ({"PixelIntensityRelationship": "LOG"}, "way back"),
    ],
)
def test_what_is_not_known_to_be_a_line_integral_is_relative(tags, words):
    quantity, values, notes = mapped(header(**tags), STORED, bone_bright=False)
    assert quantity is Quantity.RELATIVE
    assert any(words in note for note in notes)
    # Bone is dark as stored, so the lowest stored value is 1 and the highest 0.
    assert (values.flat[0], values.flat[-1]) == (1.0, 0.0)


def test_relative_values_span_0_to_1_inside_the_field_only():
    stored = STORED.copy()
    stored[0] = 4000
    field = EVERYWHERE.copy()
    field[0] = False
    transform = modality_transform(None, layout())
    values = intensity_map(None, transform, stored, field, True).apply(stored)
    assert (values[field].min(), values[field].max()) == (0.0, 1.0)
    assert values[0, 0] > 1.0


def test_a_falling_modality_lut_does_not_turn_bone_over():
    falling = lut(0, list(range(4095, -1, -1)))
    _, values, _ = mapped(header(ModalityLUTSequence=falling), STORED, bone_bright=True)
    # Sign and polarity speak of stored values: the highest stored value is bone.
    assert (values.flat[0], values.flat[-1]) == (0.0, 1.0)


def test_a_modality_lut_shapes_relative_values():
    table = [0] * 120 + [1000] * 20 + [2000] * 3956
    _, values, _ = mapped(header(ModalityLUTSequence=lut(0, table)), STORED, bone_bright=True)
    assert values.flat[10] == 0.0
    assert values.flat[30] == 0.5
    assert values.flat[50] == 1.0


def test_a_signed_lut_starts_below_zero():
    stored = np.linspace(-30, 33, 64).round().astype(np.int16).reshape(8, 8)
    table = lut(-32, list(range(0, 650, 10)))
    _, values, _ = mapped(header(ModalityLUTSequence=table), stored, bone_bright=True, signed=True)
    assert values.flat[0] == 0.0
    # Entries beyond the table repeat its last one.
    assert values.flat[-1] == values.flat[-2] == 1.0


def test_a_malformed_modality_lut_is_ignored_and_noted():
    item = header()
    item.add_new("LUTDescriptor", "US", [4096, 0, 16])
    item.add_new("LUTData", "OW", b"\x00\x01")
    _, values, notes = mapped(header(ModalityLUTSequence=Sequence([item])), STORED, bone_bright=True)
    assert values.flat[-1] == 1.0
    assert any("malformed" in note for note in notes)


def test_enhanced_log_pixels_use_their_table_to_intensity():
    # I = exp(-p / 500), in 16 bits, for every stored value of 12 bits.
    table = np.rint(65535 * np.exp(-np.arange(4096) / 500.0)).astype(int).tolist()
    shared = header(PixelIntensityRelationshipLUTSequence=lut(0, table, LUTFunction="TO_LINEAR"))
    dataset = header(PixelIntensityRelationship="LOG", SharedFunctionalGroupsSequence=Sequence([shared]))
    quantity, values, _ = mapped(dataset, STORED, bone_bright=True)
    assert quantity is Quantity.NATURAL_LOG
    assert values.flat[60] - values.flat[10] == pytest.approx(50 / 500, rel=1e-3)


def test_a_zero_slope_is_refused():
    with pytest.raises(TagError, match="RescaleSlope"):
        modality_transform(header(RescaleSlope=0, RescaleIntercept=1), layout())


def test_a_blank_field_is_refused():
    transform = modality_transform(None, layout())
    with pytest.raises(PixelValueError, match="all black"):
        intensity_map(None, transform, np.zeros((8, 8), np.uint16), EVERYWHERE, True)


@pytest.mark.parametrize(
    ("tags", "as_stored"),
    [
        ({"PhotometricInterpretation": "MONOCHROME2"}, True),
        ({"PhotometricInterpretation": "MONOCHROME1"}, False),
        ({"PhotometricInterpretation": "MONOCHROME2", "RescaleSlope": -1, "RescaleIntercept": 4095}, False),
        ({"PhotometricInterpretation": "MONOCHROME2", "VOILUTSequence": lut(0, [300, 200, 100])}, False),
        ({"PhotometricInterpretation": "MONOCHROME1", "VOILUTSequence": lut(0, [300, 200, 100])}, True),
    ],
)
def test_display_follows_photometric_modality_and_voi_together(tags, as_stored):
    dataset = header(**tags)
    assert displayed_is_stored(dataset, modality_transform(dataset, layout())) is as_stored
