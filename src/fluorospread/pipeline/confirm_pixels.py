"""Images that may have text burned in, in; pictures for a person to look at and their decisions, out.

Found text is a proposal. The person sees each image with the boxes drawn, and writes into one TOML file whether
to black the boxes out (after moving or adding some) or to release the image as it is. A decision belongs to the
bytes of one file (SHA-256), so it can never be applied to another image. Pictures and file hold what is burned in:
they are as confidential as the source.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fluorospread.atomic_files import write_atomically
from fluorospread.errors import CaseError, OutputError
from fluorospread.imaging.burned_in_text import Box, find_burned_in_text
from fluorospread.pipeline.read_declaration import read_declaration

DECISION_FILE = "burned_in_text.toml"
_HEADER = """\
# Look at each picture: is there anything in it that tells who the patient is (a name, a number, a date)?
#   decision = "black-out"  hides the boxes; correct or add boxes first: [top, left, bottom, right] in pixels
#   decision = "release"    states that nothing needs hiding
# An image without a decision is not written. Then run the same command again with
#   --confirm-pixels THIS_FILE
# This folder shows what is burned in: keep it as safe as the original images, and delete it afterwards.
"""
_OUTLINE = (255, 176, 0)


class Decision(StrEnum):
    """What a person said about an image's pixels; OPEN where nobody has yet."""

    OPEN = ""
    BLACK_OUT = "black-out"
    RELEASE = "release"


@dataclass(frozen=True)
class PixelDecision:
    """A person's word about one image file; `boxes` matter for black-out only."""

    sha256: str
    decision: Decision
    boxes: tuple[Box, ...] = ()
    picture: str = ""


@dataclass(frozen=True)
class HeldImage:
    """An image that waits for a person: `name` is its name in the output, without suffix."""

    name: str
    sha256: str
    boxes: tuple[Box, ...]
    samples: tuple[npt.NDArray[Any], ...]


def proposed_boxes(samples: Sequence[npt.NDArray[Any]]) -> tuple[Box, ...]:
    """Boxes around what looks like text in any of the frames."""
    return tuple(sorted({box for frame in samples for box in find_burned_in_text(frame)}))


def read_decisions(path: Path) -> dict[str, PixelDecision]:
    """The decisions in a file that `write_review` wrote and a person filled in, by SHA-256 of the image.

    Raises
    ------
    MissingFileError
        The file cannot be read.
    CaseError
        It does not fit its schema, a box is empty, or decisions are made but nobody has signed as `confirmed_by`.
    """
    declared = read_declaration(path, "confirm_pixels.schema.json")
    rest = declared.get("decision_for_the_rest", "")
    found: dict[str, PixelDecision] = {}
    for entry in declared["image"]:
        try:
            boxes = tuple(Box(*values) for values in entry["boxes"])
        except ValueError as error:
            raise CaseError(f"{path}: {error}") from error
        decision = Decision(entry["decision"] or rest)
        if decision is Decision.BLACK_OUT and not boxes:
            raise CaseError(f"{path}: {entry.get('picture', '')}: black-out needs at least one box; add it, or release")
        found[entry["sha256"]] = PixelDecision(entry["sha256"], decision, boxes, entry.get("picture", ""))
    decided = any(item.decision is not Decision.OPEN for item in found.values())
    if decided and not declared.get("confirmed_by", "").strip():
        raise CaseError(f"{path}: confirmed_by is empty; the person who looked at the pictures signs there")
    return found


def check_boxes(boxes: Sequence[Box], shape: tuple[int, int], name: str) -> None:
    """Refuse boxes that reach beyond their image, as they were meant for another. Raises CaseError."""
    for box in boxes:
        if box.bottom > shape[0] or box.right > shape[1]:
            raise CaseError(
                f"{name}: the box {[box.top, box.left, box.bottom, box.right]} reaches beyond the image of "
                f"{shape[0]} x {shape[1]} pixels; correct it"
            )


def write_review(held: Sequence[HeldImage], decided: Mapping[str, PixelDecision], folder: Path) -> Path:
    """Write a picture of each held image and the file for its decision; decisions made before are kept.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    lines = [_HEADER, 'confirmed_by = ""', 'decision_for_the_rest = ""', ""]
    for image in held:
        picture = f"{image.name}.png"
        write_atomically(folder / picture, _picture(image))
        before = decided.get(image.sha256)
        boxes = image.boxes if before is None else before.boxes
        lines += [
            "[[image]]",
            f'picture = "{picture}"',
            f'sha256 = "{image.sha256}"',
            f"boxes = {[[box.top, box.left, box.bottom, box.right] for box in boxes]}",
            'decision = ""',
            "",
        ]
    path = folder / DECISION_FILE
    write_atomically(path, "\n".join(lines).encode("utf-8"))
    try:
        folder.chmod(0o700)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made private ({error.strerror})") from error
    return path


def _picture(image: HeldImage) -> bytes:
    """The frames side by side as 8-bit grey over their whole range, found boxes outlined and numbered."""
    from PIL import Image, ImageDraw

    panels = []
    for frame in image.samples:
        low, high = float(frame.min()), float(frame.max())
        grey = ((frame.astype(np.float32) - low) * (255.0 / ((high - low) or 1.0))).astype(np.uint8)
        panel = Image.fromarray(grey).convert("RGB")
        draw = ImageDraw.Draw(panel)
        for number, box in enumerate(image.boxes, start=1):
            draw.rectangle((box.left - 2, box.top - 2, box.right + 1, box.bottom + 1), outline=_OUTLINE, width=2)
            draw.text((box.left, box.bottom + 3), str(number), fill=_OUTLINE)
        panels.append(panel)
    page = Image.new("RGB", (sum(panel.width for panel in panels), panels[0].height))
    left = 0
    for panel in panels:
        page.paste(panel, (left, 0))
        left += panel.width
    buffer = io.BytesIO()
    page.save(buffer, format="PNG")
    return buffer.getvalue()
