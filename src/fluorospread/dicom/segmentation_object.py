"""The contrast mask as a Segmentation: one binary segment on the image, or frame of a run, it was found in.

X-ray projections have no frame of reference; a segmentation then has the rows and columns of the frame it
names as its source, pixel for pixel (PS3.3 A.51.3, C.8.20.2).
"""

from __future__ import annotations

from copy import deepcopy

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import (
    SegmentAlgorithmTypeValues,
    Segmentation,
    SegmentationTypeValues,
    SegmentDescription,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ComputedRadiographyImageStorage

from fluorospread.dicom import result_codes as rc
from fluorospread.dicom.result_object import ResultContext, ResultKind, finish, names_of_one_component
from fluorospread.dicom.result_source import SourceImage
from fluorospread.errors import UnsupportedImageError
from fluorospread.model.case import PROVISIONAL
from fluorospread.model.radiograph import BoolImage
from fluorospread.model.verdict import RESEARCH_USE_ONLY


@names_of_one_component()
def contrast_segmentation(
    mask: BoolImage, source: SourceImage, context: ResultContext, provisional: bool = False
) -> Dataset:
    """The mask as a DICOM object.

    Parameters
    ----------
    mask
        (rows, cols) of the source image, True where contrast lies.
    provisional
        Whether one image alone gave it; the segment's label says so.

    Raises
    ------
    UnsupportedImageError
        The mask is not one of the image's pixels.
    """
    image = source.image
    if mask.shape != (image.rows, image.cols):
        raise UnsupportedImageError(
            f"image {source.index + 1}: the contrast mask is {mask.shape[0]} x {mask.shape[1]} pixels and the image "
            f"{image.rows} x {image.cols}, so no segmentation is written"
        )
    identifier = "contrast"
    segment = SegmentDescription(
        segment_number=1,
        segment_label=f"Contrast, {PROVISIONAL}" if provisional else "Contrast",
        segmented_property_category=rc.SUBSTANCE,
        segmented_property_type=rc.CONTRAST_AGENT,
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=AlgorithmIdentificationSequence(
            name=context.software.name, family=codes.DCM.ImageProcessing, version=context.software.version
        ),
        tracking_uid=context.tracking_uid(identifier),
        tracking_id=identifier,
    )
    segment.SegmentDescription = f"Contrast found by {context.software.name}. {RESEARCH_USE_ONLY}"
    dataset = Segmentation(
        source_images=[_stand_in(source.header)],
        pixel_array=mask[np.newaxis].astype(np.uint8),
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[segment],
        device_serial_number=context.serial_number,
        content_label="CONTRAST",
        content_description=RESEARCH_USE_ONLY,
        omit_empty_frames=False,
        **context.series(ResultKind.SEGMENTATION),
    )
    dataset.PatientOrientation = source.header.get("PatientOrientation", "")
    _name_source(dataset, source)
    return finish(dataset, context, ResultKind.SEGMENTATION)


def _stand_in(header: Dataset) -> Dataset:
    """The header as that of a CR image. highdicom asks images of a class that may hold several frames (XA, RF)
    for functional groups, which only enhanced ones have; nothing but the reference depends on the class."""
    said = deepcopy(header)
    said.SOPClassUID = ComputedRadiographyImageStorage
    # A frame of reference without a position in it, as some C-arms write, would be taken for a place in space.
    for keyword in ("NumberOfFrames", "FrameOfReferenceUID"):
        said.pop(keyword, None)
    return said


def _name_source(dataset: Dataset, source: SourceImage) -> None:
    """The true class of the source wherever it is referred to, and its frame where it is the source."""
    for item in dataset.iterall():
        if item.VR != "SQ":
            continue
        for reference in item.value:
            if reference.get("ReferencedSOPInstanceUID") != source.header.SOPInstanceUID:
                continue
            reference.ReferencedSOPClassUID = source.header.SOPClassUID
            if item.keyword == "SourceImageSequence" and source.frame_numbers is not None:
                reference.ReferencedFrameNumber = source.frame_numbers
