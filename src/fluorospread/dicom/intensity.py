"""Turns stored pixel values into line-integral-like ones, bone bright, through one table.

LIN pixels become -ln(I/I0), I0 being full scale; LOG pixels become natural-log where the file carries the
way back to intensity (XA and RF: the Modality LUT, PS3.3 C.8.7.1.1.2; Enhanced: the Pixel Intensity
Relationship LUT "TO_LINEAR"). Everything else, and everything processed for presentation, is relative: only
its order within the image means something, and it is scaled to 0..1 inside the field of view.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from fluorospread.dicom.attributes import holder_of, items, number, numbers, raw_or_none, text, varies
from fluorospread.dicom.pixel_layout import PixelLayout
from fluorospread.errors import PixelValueError, TagError
from fluorospread.model.radiograph import BoolImage, FloatImage, Quantity

Values = npt.NDArray[np.float64]

# A table of intensities whose logarithm is straight to this share of its range is a logarithm, and the straight
# line is better than the table, whose smallest entries are badly rounded.
_STRAIGHTNESS = 0.003
# More pixels at or below zero intensity than this, and the zero of a LIN image is not where it says.
_MAX_DARK_SHARE = 0.05


@dataclass(frozen=True)
class ModalityTransform:
    """Stored value to modality value, for every value that can be stored.

    Attributes
    ----------
    first
        Stored value of the table's first entry.
    values
        One modality value per stored value.
    from_lut
        True when a Modality LUT, not a rescale, defines it.
    """

    first: int
    values: Values
    from_lut: bool
    notes: tuple[str, ...] = ()

    @property
    def rising(self) -> bool:
        """True when a higher stored value gives a higher modality value."""
        return bool(self.values[-1] >= self.values[0])


@dataclass(frozen=True)
class IntensityMap:
    """Stored integers to line-integral-like float32 through a table; float pixels straight."""

    quantity: Quantity
    first: int
    table: FloatImage
    factor: float = 1.0
    offset: float = 0.0
    notes: tuple[str, ...] = ()

    def apply(self, stored: npt.NDArray[Any]) -> FloatImage:
        """(rows, cols) stored values to float32."""
        if stored.dtype.kind == "f":
            return (stored * self.factor + self.offset).astype(np.float32)
        result: FloatImage = self.table[stored.astype(np.int32) - self.first]
        return result


def modality_transform(dataset: Dataset | None, layout: PixelLayout) -> ModalityTransform:
    """Rescale or Modality LUT of the header over all values the layout can hold; identity without one.

    Raises
    ------
    TagError
        When the rescale slope is zero or a value is malformed.
    """
    first = -(1 << (layout.bits_allocated - 1)) if layout.signed else 0
    stored = np.arange(first, first + (1 << min(layout.bits_allocated, 16)), dtype=np.float64)
    if dataset is None or layout.float_bytes:
        return ModalityTransform(first, stored, False)
    notes: list[str] = []
    for lut in items(dataset, "ModalityLUTSequence")[:1]:
        table = read_lut(lut, signed=layout.signed)
        if table is not None:
            return ModalityTransform(first, _looked_up(stored, *table), True)
        notes.append("The Modality LUT is malformed and was ignored.")
    holder = holder_of(dataset, "RescaleSlope")
    slope, intercept = number(holder, "RescaleSlope"), number(holder, "RescaleIntercept")
    slope = 1.0 if slope is None else slope
    if slope == 0:
        raise TagError("RescaleSlope is 0, which makes every pixel equal; correct it or export the image again.")
    return ModalityTransform(first, stored * slope + (intercept or 0.0), False, tuple(notes))


def read_lut(item: Dataset, signed: bool) -> tuple[int, Values] | None:
    """First mapped value and entries of a LUT item (PS3.3 C.11.1), or None when it is malformed."""
    try:
        descriptor = numbers(item, "LUTDescriptor")
        data = raw_or_none(item, "LUTData")
    except TagError:
        return None
    if descriptor is None or len(descriptor) != 3 or data is None:
        return None
    count, first = int(descriptor[0]) & 0xFFFF or 65536, int(descriptor[1])
    if signed and first > 0x7FFF:
        # The descriptor's sign follows the pixels', whatever its representation says.
        first -= 0x10000
    if isinstance(data, bytes):
        wide = len(data) >= 2 * count
        entries = np.frombuffer(data[: 2 * count] if wide else data[:count], "<u2" if wide else "u1")
    else:
        entries = np.asarray(data if isinstance(data, list) else [data])
        if entries.dtype.kind not in "iu":
            return None
        # Entries are unsigned; those that came as SS are wrapped back.
        entries = entries.astype(np.int64) & 0xFFFF
    if entries.size < max(2, count):
        return None
    return first, entries[:count].astype(np.float64)


def _looked_up(stored: Values, first: int, entries: Values) -> Values:
    index = np.clip(stored - first, 0, entries.size - 1).astype(np.int64)
    return entries[index]


def pixel_intensity_relationship(dataset: Dataset) -> str:
    """LIN, LOG, DISP or whatever the file calls it; "" where it is silent, "mixed" where frames differ."""
    if varies(dataset, "PixelIntensityRelationship"):
        return "mixed"
    return text(holder_of(dataset, "PixelIntensityRelationship"), "PixelIntensityRelationship").upper()


def displayed_is_stored(dataset: Dataset | None, transform: ModalityTransform) -> bool:
    """True when a higher stored value is displayed brighter: photometric, modality and VOI LUT together."""
    rising = transform.rising
    if dataset is None:
        return rising
    for lut in items(dataset, "VOILUTSequence")[:1]:
        table = read_lut(lut, signed=False)
        if table is not None and table[1][-1] < table[1][0]:
            rising = not rising
    return rising != (text(dataset, "PhotometricInterpretation") == "MONOCHROME1")


def intensity_map(
    dataset: Dataset | None,
    transform: ModalityTransform,
    stored: npt.NDArray[Any],
    field: BoolImage,
    stored_bone_bright: bool,
) -> IntensityMap:
    """The map of an image's stored values, from its header and its first frame.

    Parameters
    ----------
    stored, field
        First frame and field of view, (rows, cols).

    Raises
    ------
    PixelValueError
        When every pixel of the field has the same value.
    """
    inside = stored[field]
    low, high = inside.min(), inside.max()
    if low == high:
        raise PixelValueError(f"every pixel has the value {low}; expected an image. Is it blank or all black?")
    if stored.dtype.kind == "f":
        factor = (1.0 if stored_bone_bright else -1.0) / float(high - low)
        offset = -factor * float(low if stored_bone_bright else high)
        return IntensityMap(Quantity.RELATIVE, 0, np.zeros(1, np.float32), factor, offset)
    notes = list(transform.notes)
    attenuation = None if dataset is None else _natural_log(dataset, transform, inside, stored_bone_bright, notes)
    if attenuation is not None:
        return IntensityMap(Quantity.NATURAL_LOG, transform.first, attenuation.astype(np.float32), notes=tuple(notes))
    # In XA and RF the Modality LUT leads to intensity and not to grey values, but the order is all that counts here.
    values = transform.values if transform.rising == stored_bone_bright else -transform.values
    a, b = values[int(low) - transform.first], values[int(high) - transform.first]
    if a == b:
        raise PixelValueError("the Modality LUT or rescale gives every pixel the same value; export it again.")
    bottom, top = min(a, b), max(a, b)
    table = ((values - bottom) / (top - bottom)).astype(np.float32)
    return IntensityMap(Quantity.RELATIVE, transform.first, table, notes=tuple(notes))


def _natural_log(
    dataset: Dataset, transform: ModalityTransform, inside: npt.NDArray[Any], bone_bright: bool, notes: list[str]
) -> Values | None:
    """-ln(I/I0) per stored value, or None where the file does not let it be known."""
    relationship = pixel_intensity_relationship(dataset)
    if text(dataset, "PresentationIntentType") == "FOR PRESENTATION":
        notes.append("Processed for presentation: pixel differences are relative.")
        return None
    if relationship == "LIN":
        return _from_linear(transform, inside, bone_bright, notes)
    if relationship == "LOG":
        found = _log_from_intensity_lut(dataset, transform)
        if found is None:
            notes.append("LOG pixels without the way back to intensity: pixel differences are relative.")
        elif bool(found[-1] >= found[0]) != bone_bright:
            notes.append("The LUT to intensity contradicts the polarity: pixel differences are relative.")
            return None
        return found
    kind = relationship or "unknown"
    notes.append(f"PixelIntensityRelationship is {kind}: pixel differences are relative.")
    return None


def _from_linear(
    transform: ModalityTransform, inside: npt.NDArray[Any], bone_bright: bool, notes: list[str]
) -> Values | None:
    intensity = transform.values
    if transform.rising == bone_bright:
        notes.append("LIN pixels that fall with X-ray intensity have no known zero: pixel differences are relative.")
        return None
    dark = float((intensity[inside.astype(np.int64) - transform.first] <= 0).mean())
    if dark > _MAX_DARK_SHARE:
        notes.append(f"{dark:.0%} of the LIN pixels are not positive: pixel differences are relative.")
        return None
    # Half a step stands for "nothing arrived", so that the logarithm stays finite.
    step = abs(float(intensity[1] - intensity[0])) or 1.0
    full_scale = float(intensity.max())
    result: Values = -np.log(np.maximum(intensity, 0.5 * step) / full_scale)
    return result


def _log_from_intensity_lut(dataset: Dataset, transform: ModalityTransform) -> Values | None:
    """-ln of the intensity that the file's own table gives for each stored value."""
    intensity: Values | None = None
    if transform.from_lut and text(dataset, "Modality") in ("XA", "RF"):
        intensity = transform.values
    else:
        holder = holder_of(dataset, "PixelIntensityRelationshipLUTSequence")
        for lut in items(holder, "PixelIntensityRelationshipLUTSequence"):
            table = read_lut(lut, signed=transform.first < 0)
            if text(lut, "LUTFunction") == "TO_LINEAR" and table is not None:
                stored = np.arange(transform.first, transform.first + transform.values.size, dtype=np.float64)
                intensity = _looked_up(stored, *table)
    if intensity is None or intensity.max() <= 0:
        return None
    return -_straightened(np.log(np.maximum(intensity, 0.5) / intensity.max()))


def _straightened(log_intensity: Values) -> Values:
    """The straight line behind a rounded logarithm, or the values themselves when they are not straight."""
    # Below 1 % of full scale the rounding of a 16-bit table exceeds 0.1 %; the ends may be clamped.
    changing = np.flatnonzero(np.diff(log_intensity) != 0)
    if changing.size < 16:
        return log_intensity
    span = slice(int(changing[0]), int(changing[-1]) + 2)
    steps = np.arange(log_intensity.size, dtype=np.float64)
    good = np.zeros(log_intensity.size, bool)
    good[span] = log_intensity[span] > np.log(0.01)
    if good.sum() < 16:
        return log_intensity
    slope, offset = np.polyfit(steps[good], log_intensity[good], 1)
    line = slope * steps + offset
    worst = float(np.abs(line[good] - log_intensity[good]).max())
    if worst > _STRAIGHTNESS * abs(slope) * good.sum():
        return log_intensity
    # Beyond the changing entries the table was clamped, and so is the line.
    clamped: Values = np.clip(line, line[span].min(), line[span].max())
    return clamped
