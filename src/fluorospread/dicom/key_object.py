"""The images a verdict rests on, as a Key Object Selection, so that a reader opens those and not the whole run."""

from __future__ import annotations

from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from highdicom.sr import DeviceObserverIdentifyingAttributes, ObserverContext
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from fluorospread.dicom.report_items import printable
from fluorospread.dicom.result_object import ResultContext, ResultKind, device_uid, finish, names_of_one_component
from fluorospread.dicom.result_source import SourceImage
from fluorospread.model.case import CaseResult
from fluorospread.model.verdict import STANDING_SENTENCE


def key_images(result: CaseResult, context: ResultContext) -> tuple[SourceImage, ...]:
    """The reference image, the images with needle tips, and the one contrast was measured in, in their order."""
    wanted = {result.reference_image, result.contrast.image}
    wanted |= {index for index, image in enumerate(result.images) if image.needles}
    return tuple(source for source in context.sources.images if source.index in wanted)


@names_of_one_component()
def key_object_selection(result: CaseResult, context: ResultContext, annotations: dict[int, Dataset]) -> Dataset | None:
    """The selection as a DICOM object; None where the verdict rests on no image.

    Parameters
    ----------
    annotations
        Presentation states by the index of their image; a viewer opens the image with its own.
    """
    chosen = key_images(result, context)
    if not chosen:
        return None
    software = context.software
    verdict = result.verdict.outcome.value.replace("-", " ")
    content = KeyObjectSelection(
        document_title=codes.DCM.OfInterest,
        referenced_objects=[source.header for source in chosen],
        observer_device_context=ObserverContext(
            observer_type=codes.DCM.Device,
            observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
                uid=device_uid(software), name=software.name, model_name=f"{software.name} {software.version}"
            ),
        ),
        description=printable(
            f"Images that the verdict of case {result.case_id} rests on. Software's proposal: {verdict}. "
            f"{STANDING_SENTENCE}"
        ),
    )
    evidence = [source.header for source in chosen]
    _refine(content[0], chosen, annotations)
    evidence += [annotations[source.index] for source in chosen if source.index in annotations]
    dataset = KeyObjectSelectionDocument(evidence=evidence, content=content, **context.series(ResultKind.KEY_OBJECTS))
    return finish(dataset, context, ResultKind.KEY_OBJECTS)


def _refine(root: Dataset, chosen: tuple[SourceImage, ...], annotations: dict[int, Dataset]) -> None:
    """Name the frame of a run, and the presentation state to show each image with (PS3.3 C.17.3.2.4)."""
    by_instance = {str(source.header.SOPInstanceUID): source for source in chosen}
    for item in root.ContentSequence:
        if item.ValueType != "IMAGE":
            continue
        reference = item.ReferencedSOPSequence[0]
        source = by_instance[str(reference.ReferencedSOPInstanceUID)]
        if source.frame_numbers is not None:
            reference.ReferencedFrameNumber = source.frame_numbers
        state = annotations.get(source.index)
        if state is not None:
            shown = Dataset()
            shown.ReferencedSOPClassUID, shown.ReferencedSOPInstanceUID = state.SOPClassUID, state.SOPInstanceUID
            reference.ReferencedSOPSequence = [shown]
