"""napari's reader: an X-ray image, a case folder or a case.json becomes layers; a folder of cases, the work list.

The image is upright and bone-bright, with the patient's sides lettered; a case.json adds its findings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from fluorospread.errors import UsageError
from fluorospread.pipeline.review_cohort import holds_cases
from napari_fluorospread.case_display import image_part
from napari_fluorospread.finding_layers import LayerData
from napari_fluorospread.image_layers import radiograph_to_layers
from napari_fluorospread.layers import LayerTag, case_to_layers
from napari_fluorospread.open_case import OpenedCase, case_json_in, open_case, open_images
from napari_fluorospread.placement import shown_in_mm
from napari_fluorospread.results_shown import remember_shown
from napari_fluorospread.viewer_overlays import dress_current_viewer

PathOrPaths = str | Sequence[str]
ReaderFunction = Callable[[PathOrPaths], list[LayerData]]

_IMAGE_SUFFIXES = (".dcm", ".dicom", ".ima", ".png", ".jpg", ".jpeg", ".tif", ".tiff")


def get_reader(path: PathOrPaths) -> ReaderFunction | None:
    """The reader for `path`, None for what is not ours: several paths at once, foreign JSON, other files."""
    if not isinstance(path, str):
        return None
    given = Path(path)
    if holds_cases(given):
        return open_work_list
    if given.is_dir() or case_json_in(given) is not None or given.suffix.lower() in _IMAGE_SUFFIXES:
        return read_layers
    return None


def read_layers(path: PathOrPaths) -> list[LayerData]:
    """Layers of one image, case folder or case.json.

    Raises
    ------
    InputError
        By name, when `path` holds no image or case, or cannot be read.
    """
    (given,) = [path] if isinstance(path, str) else path
    case_json = case_json_in(Path(given))
    if case_json is not None:
        opened = open_case(case_json)
        _note_shown(case_json)
        dress_current_viewer(opened.case)
        return opened_case_to_layers(opened)
    dress_current_viewer(None)
    return images_to_layers(Path(given))


def _note_shown(case_json: Path) -> None:
    from napari.utils.notifications import show_warning

    try:
        remember_shown(case_json)
    except OSError as error:
        show_warning(f"That you have seen this result could not be noted ({error}); later reviews will not know it.")


def open_work_list(path: PathOrPaths) -> list[LayerData]:
    """Open the work list dock on a folder of cases; there are no layers to show until a reader is named.

    Raises
    ------
    UsageError
        There is no window to open a dock in.
    """
    import napari

    (given,) = [path] if isinstance(path, str) else path
    viewer = napari.current_viewer()
    if viewer is None:
        raise UsageError(f"{given}: a folder of cases opens as a work list, which needs napari's window")
    _, work_list = viewer.window.add_plugin_dock_widget("napari-fluorospread", "Work list")
    work_list.choose_folder(Path(given))
    # What npe2 takes for "read, and nothing to add".
    return [(None,)]  # type: ignore[list-item]


def opened_case_to_layers(opened: OpenedCase) -> list[LayerData]:
    """Images below, findings above; everything but the image the verdict rests on is switched off."""
    return image_part(opened) + case_to_layers(opened.case, opened.contrast_mask)


def images_to_layers(path: Path) -> list[LayerData]:
    """An image, or a folder's images, without findings; only the first is switched on."""
    images = open_images(path)
    in_mm = shown_in_mm(image.radiograph.geometry for image in images)
    return [
        layer
        for index, image in enumerate(images)
        for layer in radiograph_to_layers(image.radiograph, LayerTag("", index), image.name, in_mm, index == 0)
    ]
