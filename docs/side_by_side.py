"""Simulated and real films side by side, as the networks see them: montages, texture statistics, spectra.

    .venv/bin/python docs/side_by_side.py --real ../shared/data/radiographs --out runs/side_by_side

The folder of films holds pictures and `annotations/NAME.json` (docs/implant.md). Real films and
bones go into `side_by_side_*.png` only; `simulated_*.png` (built-in people), `spectra.png` and the numbers hold none.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from fluorospread.dicom.read_radiograph import read_radiograph
from fluorospread.evaluation.film_texture import (
    BANDS_MM,
    NormalisedRegion,
    Spread,
    Texture,
    normalised_region,
    separation,
    spectrum_of,
    texture_of,
)
from fluorospread.model.anatomy import Level
from fluorospread.model.case import Role
from fluorospread.model.geometry import PointPx
from fluorospread.model.radiograph import BoolImage, FloatImage
from fluorospread.pipeline.film_points import read_film_truth
from fluorospread.simulation.anatomy.real_anatomy import AnatomyFolder
from fluorospread.simulation.case_recipe import ImageRecipe
from fluorospread.simulation.cases import Split, build_person, sample_split
from fluorospread.simulation.render_case import render_case
from fluorospread.simulation.stored_pixels import PixelFormat, Relationship

# Side of the square (mm) and the vertebra in its middle: what the level and the close-up network look at.
FRAMES = {"whole": (230.0, Level.L3), "close": (108.0, Level.L4)}
REAL, BUILT_IN, REAL_BONES, TRAINING = "real films", "simulated, built-in", "simulated, real bones", "training views"
COLUMNS = 6

View = tuple[FloatImage, BoolImage, dict[Level, PointPx], float]


def real_films(folder: Path) -> Iterator[View]:
    """Usable adult films with their reader's centres and scale."""
    for points in sorted((folder / "annotations").glob("*.json")):
        truth = read_film_truth(points)
        film = folder / f"{points.stem}.png"
        if truth.in_scope and film.is_file():
            read = read_radiograph(film)
            yield np.array(read.pixels()), np.array(read.field_of_view), truth.centers, truth.mm_per_px


def simulated(count: int, people: AnatomyFolder | None) -> Iterator[View]:
    """Random cases to tune on, without needles and contrast, processed for display as films are."""
    for number in range(count):
        drawn = sample_split(Split.TUNING, 9000 + number)
        recipe = dataclasses.replace(
            drawn, images=(ImageRecipe(Role.PRE, needles=False),), spreads=(), contrast_given=False,
            pixel_format=PixelFormat(Relationship.DISP, 12, -1),
        )  # fmt: skip
        anatomy = build_person(recipe.person) if people is None else people.anatomy(recipe.person.seed, 0, 2)
        (image,) = render_case(recipe, anatomy).images
        centers = {v.level: v.point_px for v in image.truth.vertebrae}
        grey = image.stored.pixels.astype(np.float32)
        yield grey, image.truth.open_field, centers, image.truth.spacing_patient_mm[0]


def training_regions(cache: Path, frame: str, count: int) -> list[NormalisedRegion]:
    """Frontal views of a training cache with drawn appearances, framed like the films."""
    from fluorospread.landmarks.network import INPUT_PX, LEVEL_CHANNELS
    from fluorospread.training.appearance import Appearance
    from fluorospread.training.clutter import make_banks
    from fluorospread.training.datasets import Shards
    from fluorospread.training.views import VIEW_MM_PER_PX
    from fluorospread.training.window import Window

    side_mm, middle = FRAMES[frame]
    views, truth = Shards(cache, "whole", ("real",)).draw(4 * count, np.random.default_rng(5))
    # C1 is the vertebra on the sacrum: L5 where there are five.
    points = truth["points"][:, LEVEL_CHANNELS.index({Level.L3: "C3", Level.L4: "C2"}[middle])]
    frontal = (np.abs(truth["angles"]).max(axis=1) < 12) & np.isfinite(points).all(axis=1)
    views, points = views[frontal][:count], points[frontal][:count].astype(np.float64)
    n = len(views)
    window = Window(points, np.full(n, side_mm / VIEW_MM_PER_PX), np.zeros(n), np.zeros(n, bool), np.ones(n))
    inputs, _ = Appearance(make_banks(60, 1), 3)(views, window, np.full(n, -1e4))
    return [
        NormalisedRegion(contrast, seen > 0.5, side_mm / INPUT_PX)
        for contrast, seen in inputs.numpy()
        if (seen > 0.5).mean() > 0.6
    ]


def regions(views: list[View], frame: str) -> list[NormalisedRegion]:
    side_mm, middle = FRAMES[frame]
    found = (normalised_region(image, field, c[middle], mm, side_mm) for image, field, c, mm in views if middle in c)
    return [region for region in found if region is not None]


def montage(groups: dict[str, list[NormalisedRegion]]) -> Image.Image:
    """One row a group, bone bright, local contrast -2.5..2.5."""
    rows = []
    for group in groups.values():
        tiles = [np.clip(r.contrast / 5 + 0.5, 0, 1) for r in group[:COLUMNS]]
        tiles += [np.zeros_like(tiles[0])] * (COLUMNS - len(tiles))
        rows.append(np.concatenate([np.pad(t, 2) for t in tiles], axis=1))
    return Image.fromarray(np.rint(255 * np.concatenate(rows)).astype(np.uint8))


def numbers(texture: Texture) -> dict[str, float]:
    """Statistics by name."""
    named = {f"variance at {_length(band)}": share for band, share in zip(BANDS_MM, texture.band_shares, strict=True)}
    low, quarter, middle, three, high = texture.percentiles
    return named | {
        "edge density": texture.edge_density,
        "95th - 5th percentile": high - low,
        "75th - 25th percentile": three - quarter,
        "skewness (bright tail over dark tail)": (high - middle) / max(middle - low, 1e-6),
        "kurtosis": texture.kurtosis,
        "across over along": texture.across_over_along,
    }


def _length(band: tuple[float, float]) -> str:
    low, high = band
    return f"over {low:g} mm" if np.isinf(high) else f"under {high:g} mm" if low == 0 else f"{low:g}-{high:g} mm"


def tables(groups: dict[str, list[NormalisedRegion]]) -> dict[str, dict[str, dict[str, float]]]:
    """By statistic and group: median, quartiles, and the chance to exceed a real film."""
    values = {name: [numbers(texture_of(r)) for r in group] for name, group in groups.items()}
    found: dict[str, dict[str, dict[str, float]]] = {}
    for what in values[REAL][0]:
        found[what] = {}
        for name, listed in values.items():
            own = [v[what] for v in listed]
            row = dataclasses.asdict(Spread.of(own))
            found[what][name] = row | {"above_real": separation(own, [v[what] for v in values[REAL]]), "n": len(own)}
    return found


def as_markdown(found: dict[str, dict[str, dict[str, float]]]) -> str:
    names = list(next(iter(found.values())))
    lines = [f"| | {' | '.join(names)} |", f"|---{'|---' * len(names)}|"]
    for what, row in found.items():
        cells = [f"{v['median']:.3g} ({v['lower']:.3g}–{v['upper']:.3g})" for v in row.values()]
        cells = [
            cells[0],
            *(f"{c} · {v['above_real']:.2f}" for c, v in list(zip(cells, row.values(), strict=True))[1:]),
        ]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw_spectra(groups: dict[str, dict[str, list[NormalisedRegion]]], path: Path) -> None:
    """Median power over frequency, middle half shaded, for both frames."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(groups), figsize=(10, 4), constrained_layout=True)
    for axis, (frame, named) in zip(axes, groups.items(), strict=True):
        for name, group in named.items():
            frequency = spectrum_of(group[0])[0]
            power = np.array([spectrum_of(r)[1] for r in group])
            power /= power.mean(axis=1, keepdims=True)
            low, middle, high = np.percentile(power, (25, 50, 75), axis=0)
            (line,) = axis.loglog(frequency, middle, label=f"{name} (n = {len(group)})")
            axis.fill_between(frequency, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
        axis.set(title=f"{frame}: {FRAMES[frame][0]:g} mm about {FRAMES[frame][1].value}", xlabel="cycles per mm",
                 ylabel="power, relative")  # fmt: skip
        axis.legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, required=True, metavar="DIR", help="films with annotations/")
    parser.add_argument("--anatomies", type=Path, metavar="DIR", help="also simulate on real bones")
    parser.add_argument("--training-cache", type=Path, metavar="DIR", help="also show what the networks learn from")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--count", type=int, default=12, help="simulated films of each kind")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    views = {REAL: list(real_films(options.real)), BUILT_IN: list(simulated(options.count, None))}
    if options.anatomies is not None:
        views[REAL_BONES] = list(simulated(options.count, AnatomyFolder.open(options.anatomies)))
    framed: dict[str, dict[str, list[NormalisedRegion]]] = {}
    found = {}
    for frame in FRAMES:
        framed[frame] = {name: regions(group, frame) for name, group in views.items()}
        if options.training_cache is not None:
            framed[frame][TRAINING] = training_regions(options.training_cache, frame, 4 * options.count)
        montage(framed[frame]).save(options.out / f"side_by_side_{frame}.png")
        montage({BUILT_IN: framed[frame][BUILT_IN]}).save(options.out / f"simulated_{frame}.png")
        found[frame] = tables(framed[frame])
        sys.stdout.write(f"{frame}\n{as_markdown(found[frame])}\n")
    draw_spectra(framed, options.out / "spectra.png")
    (options.out / "texture.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
