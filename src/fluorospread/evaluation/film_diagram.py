"""What was found on real films beside a reader's points, drawn without the films: they stay where they are.

Open circles and crosses are the reader's vertebrae and junctions; filled dots and rings, as large as the
stated uncertainty, are what was found.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

from fluorospread.evaluation.real_films import FilmOutcome, FilmScore

_COLUMNS = 8
_READER, _FOUND, _WRONG, _ABSTAINED = "#000000", "#0072B2", "#D55E00", "#6E6E6E"
_RESEARCH_USE = "Research use only, not for diagnosis."


def _verdict(score: FilmScore) -> tuple[str, str]:
    """Title line and colour of one film's panel."""
    if score.outcome is FilmOutcome.RIGHT:
        return "confident, right", _FOUND
    if score.outcome is FilmOutcome.WRONG:
        return "confident, WRONG", _WRONG
    return f"abstained, names {'right' if score.names_right else 'wrong'}", _ABSTAINED


def _panel(axes: Any, score: FilmScore) -> None:
    words, colour = _verdict(score)
    mm = score.truth.mm_per_px
    for level, (row, col) in score.truth.centers.items():
        axes.plot(col * mm, row * mm, "o", mfc="none", mec=_READER, ms=7)
        axes.annotate(level.value, (col * mm, row * mm), (-9, 0), textcoords="offset points", ha="right", va="center")
    for row, col in score.truth.junctions.values():
        axes.plot(col * mm, row * mm, "+", color=_READER, ms=5)
    for vertebra in score.labels.vertebrae:
        row, col = vertebra.center_px
        axes.plot(col * mm, row * mm, ".", color=colour, ms=6)
        axes.annotate(
            vertebra.level.value, (col * mm, row * mm), (9, 0), textcoords="offset points", color=colour, va="center"
        )
    from matplotlib.patches import Circle

    for junction in score.junctions:
        row, col = junction.point_px
        axes.add_patch(Circle((col * mm, row * mm), junction.uncertainty_px * mm, fill=False, color=colour, lw=0.8))
    axes.set_title(f"{score.name}{'' if score.in_scope else ' (out of scope)'}\n{words}", color=colour, fontsize=9)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    middle = sum(col for _, col in score.truth.centers.values()) / len(score.truth.centers) * mm
    rows = [row * mm for row, _ in score.truth.centers.values()]
    axes.set_xlim(middle - 70, middle + 70)
    axes.set_ylim(max(rows) + 50, min(rows) - 75)


def film_diagram(scores: Sequence[FilmScore]) -> bytes:
    """One panel a film, at one scale in mm, as SVG."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    rows = max(1, math.ceil(len(scores) / _COLUMNS))
    # The same drawing gives the same bytes: no date, ids from a fixed salt, text kept as text.
    with rc_context({"svg.hashsalt": "fluorospread", "svg.fonttype": "none", "font.size": 7}):
        figure = Figure(figsize=(1.95 * _COLUMNS, 4.3 * rows + 0.4), layout="constrained")
        grid = figure.subplots(rows, _COLUMNS, squeeze=False)
        for axes in grid.ravel():
            axes.set_axis_off()
        for axes, score in zip(grid.ravel(), scores, strict=False):
            axes.set_axis_on()
            _panel(axes, score)
        figure.supxlabel(
            "black circles and crosses: the reader's vertebrae and junctions; dots and rings: found, rings as large as "
            f"the stated uncertainty. {_RESEARCH_USE}",
            fontsize=9,
        )
        drawing = io.BytesIO()
        FigureCanvasSVG(figure).print_svg(drawing, metadata={"Date": None})
    return drawing.getvalue()
