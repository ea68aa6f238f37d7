"""How each kind of finding looks: one colour, one symbol and one line width per meaning.

Colours are Okabe and Ito's, which stay apart for the common kinds of colour blindness
(https://jfly.uni-koeln.de/color/); the symbol differs, too, so that colour is never the only cue.
"""

from __future__ import annotations

from typing import Any, Final

YELLOW: Final = "#F0E442"
SKY_BLUE: Final = "#56B4E9"
ORANGE: Final = "#E69F00"
VERMILION: Final = "#D55E00"
BLUISH_GREEN: Final = "#009E73"

# A marker smaller than this is lost on a 1024-pixel image shown whole on a laptop screen.
SMALLEST_MARKER_PX: Final = 8.0
# An x has less ink than a disc, and lies on the needle's dark shaft.
SMALLEST_NEEDLE_PX: Final = 16.0

LEVEL_MARKER_PX: Final = 14.0
SIDE_LETTER_POINTS: Final = 20
SIDES_UNKNOWN_POINTS: Final = 11
LABEL_POINTS: Final = 10
# Chosen to stay visible on a 1024-pixel image shown whole on a laptop screen.
CONTRAST_OUTLINE_PX: Final = 2
CONTRAST_LABEL: Final = 1


def _text(string: str, color: str, anchor: str, offset_px: tuple[float, float]) -> dict[str, Any]:
    return {
        "string": string,
        "color": color,
        "size": LABEL_POINTS,
        "anchor": anchor,
        "translation": list(offset_px),
    }


def level_style() -> dict[str, Any]:
    """Vertebral body centres: a yellow cross with the level's name beside it."""
    return {
        "symbol": "cross",
        "size": LEVEL_MARKER_PX,
        "face_color": YELLOW,
        "border_color": "black",
        "border_width": 0.08,
        "text": _text("{label}", YELLOW, "upper_left", (0.0, 14.0)),
    }


def junction_style(diameters_px: list[float], by_person: list[bool]) -> dict[str, Any]:
    """Junctions: a sky-blue disc of 2 sd radius, a square where a person placed it."""
    return {
        "symbol": ["square" if person else "disc" for person in by_person] or "disc",
        "size": diameters_px or SMALLEST_MARKER_PX,
        "face_color": SKY_BLUE + "30",
        "border_color": SKY_BLUE,
        # The same for every size: a wide disc is an uncertain junction, not an important one.
        "border_width": 1.5,
        "border_width_is_relative": False,
        "text": _text("{label}", SKY_BLUE, "center", (0.0, 0.0)),
    }


def needle_style(diameters_px: list[float]) -> dict[str, Any]:
    """Needle tips: a vermilion x, rimmed white, whose arms end 2 sd from the tip."""
    return {
        "symbol": "x",
        "size": [max(diameter, SMALLEST_NEEDLE_PX) for diameter in diameters_px] or SMALLEST_NEEDLE_PX,
        "face_color": VERMILION,
        "border_color": "white",
        "border_width": 0.08,
        # Vermilion letters are too dark to be read on grey.
        "text": _text("{label}", "white", "center", (0.0, 0.0)),
    }


def mark_style() -> dict[str, Any]:
    """A reader's own marks: white triangles."""
    return {
        "symbol": "triangle_up",
        "size": SMALLEST_NEEDLE_PX,
        "face_color": "white",
        "border_color": "black",
        "border_width": 0.1,
        "text": _text("{label}", "white", "center", (-18.0, 0.0)),
    }


def side_style(known: bool) -> dict[str, Any]:
    """Letters of the patient's sides, or a smaller line saying that they are unknown; the point beneath is
    invisible."""
    points = SIDE_LETTER_POINTS if known else SIDES_UNKNOWN_POINTS
    return {
        "symbol": "disc",
        "size": 1.0,
        "face_color": "transparent",
        "border_color": "transparent",
        "text": {"string": "{letter}", "color": "white", "size": points, "anchor": "center"},
    }


def spread_style() -> dict[str, Any]:
    """How far contrast spread along the spine: a thin orange line, its length in mm at its cranial end."""
    return {
        "edge_color": ORANGE,
        "edge_width": 2.0,
        "face_color": "transparent",
        "text": _text("{label}", ORANGE, "upper_left", (-18.0, 0.0)),
    }


def marker_diameter_px(uncertainty_px: float) -> float:
    """Diameter of a marker whose radius is 2 sd, never too small to be seen, in image pixels."""
    return max(4.0 * uncertainty_px, SMALLEST_MARKER_PX)


def contrast_style() -> dict[str, Any]:
    """Contrast: orange and paintable; see-through, as layer data cannot ask for an outline."""
    return {
        "colormap": {0: "transparent", CONTRAST_LABEL: ORANGE, None: "transparent"},
        "opacity": 0.4,
        "blending": "translucent",
    }


def outline(labels_layer: Any) -> None:
    """Draw a contrast layer as an outline, so that nothing hides the anatomy inside it."""
    labels_layer.contour = CONTRAST_OUTLINE_PX
    labels_layer.opacity = 1.0


def beside(text: str, left: bool) -> str:
    """`text` padded so that, centred on its marker, it stands to the left or right of it at any zoom."""
    # A space is about half as wide as the average letter; six more clear the marker.
    padding = "\u00a0" * (2 * len(text) + 6)
    return text + padding if left else padding + text
