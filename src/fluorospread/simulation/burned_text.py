"""Writing that C-arms burn into their pixels: side letter, time, technique, a name, arrows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BoolMap = npt.NDArray[np.bool_]

# As a share of the image's side.
_SMALL, _LARGE = 0.022, 0.055


def writing(shape: tuple[int, int], rng: np.random.Generator, columns_to_left: bool) -> BoolMap:
    """(rows, cols), True where something is written.

    Parameters
    ----------
    columns_to_left
        Columns run towards the patient's left; the side letter, where there is one, is right.
    """
    from PIL import Image, ImageDraw, ImageFont

    rows, cols = shape
    picture = Image.new("1", (cols, rows))
    draw = ImageDraw.Draw(picture)
    small, large = (ImageFont.load_default(size=max(8.0, share * min(shape))) for share in (_SMALL, _LARGE))
    margin = round(0.02 * min(shape))
    hour, minute, second = (int(rng.integers(top)) for top in (24, 60, 60))
    lines = ["SIMULATED^PATIENT", f"{hour:02d}:{minute:02d}:{second:02d}"]
    lines += [f"{int(rng.integers(65, 95))} kV  {rng.uniform(1.0, 6.0):.1f} mA", f"{int(rng.integers(1, 40))}/40"]
    shown = lines[: int(rng.integers(1, len(lines) + 1))]
    at_top = bool(rng.random() < 0.5)
    height = 1.3 * _SMALL * min(shape)
    for number, line in enumerate(shown):
        row = margin + number * height if at_top else rows - margin - (len(shown) - number) * height
        draw.text((margin, row), line, fill=1, font=small)
    if rng.random() < 0.7:
        letter = str(rng.choice(["L", "R"]))
        at_right = (letter == "L") == columns_to_left
        col = cols - margin - _LARGE * min(shape) if at_right else margin
        draw.text((col, rng.uniform(0.2, 0.7) * rows), letter, fill=1, font=large)
    if rng.random() < 0.4:
        tip = rng.uniform(0.3, 0.7, 2) * (cols, rows)
        tail = tip + rng.normal(0.0, 0.08, 2) * (cols, rows)
        draw.line([tuple(tail), tuple(tip)], fill=1, width=max(1, min(shape) // 400))
        back = 0.3 * (tail - tip)
        for aside in (np.array([-back[1], back[0]]), np.array([back[1], -back[0]])):
            draw.line([tuple(tip + back + 0.6 * aside), tuple(tip)], fill=1, width=max(1, min(shape) // 400))
    return np.array(picture, dtype=np.bool_)
