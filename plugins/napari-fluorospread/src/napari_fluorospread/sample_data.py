"""File > Open Sample: simulated cases of the source checkout, verified when they are opened.

The samples are part of the repository and not of the installed package (they are 30 MB).
"""

from __future__ import annotations

from pathlib import Path

import fluorospread
from fluorospread.errors import MissingFileError
from fluorospread.pipeline.gather_case import CaseOverrides, gather_case
from fluorospread.pipeline.protocols import DEFAULT_PROTOCOL, load_protocol
from fluorospread.pipeline.verify_case import verify_case
from napari_fluorospread.finding_layers import LayerData
from napari_fluorospread.open_case import OpenedCase
from napari_fluorospread.reader import opened_case_to_layers
from napari_fluorospread.viewer_overlays import dress_current_viewer

# From src/fluorospread/__init__.py up to the checkout.
_SAMPLES = Path(fluorospread.__file__).parents[2] / "sample_dicom"


def with_contrast() -> list[LayerData]:
    """Needle and post-contrast images, contrast over both junctions on both sides."""
    return open_sample("P1-01")


def without_contrast() -> list[LayerData]:
    """A needle image of a block that was given without contrast."""
    return open_sample("P1-02")


def open_sample(case_id: str, samples: Path = _SAMPLES) -> list[LayerData]:
    """Layers of one sample case with what the software finds in it.

    Raises
    ------
    MissingFileError
        This is an installation without a checkout, or the samples were taken out of it.
    """
    folder = samples / case_id
    if not folder.is_dir():
        raise MissingFileError(
            f"{folder}: the sample cases are not there; they come with the source repository, and "
            "`fluorospread simulate --samples --out sample_dicom` makes them anew"
        )
    verified = verify_case(gather_case(folder, None, CaseOverrides()), load_protocol(DEFAULT_PROTOCOL))
    dress_current_viewer(verified.result)
    return opened_case_to_layers(OpenedCase(folder, verified.result, verified.radiographs, verified.contrast.mask))
