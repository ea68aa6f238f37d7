"""Cached thickness views to what films and C-arms show: a batch of images, and where the landmarks went.

Every step works on a whole batch in torch. The order is that of a real image chain: attenuation of bone,
soft tissue, gas and contrast; scatter and noise; tone curve and post-processing; writing; local contrast.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from fluorospread.training.views import CORTICAL_STEPS_PER_MM, TRABECULAR_STEPS_PER_MM
from fluorospread.training.window import SIZE, Window, cut_out, place

Tensor = Any
# Attenuation of 1 mg/cm2 of iodine over that of 1 mm of cortical bone: 0.15 from 50 to 70 keV (NIST tables), and
# as much more or less as bones differ.
_LEAST_IODINE, _MOST_IODINE = 0.09, 0.25


def blur(image: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur of (n, 1, rows, cols), one sigma (px) an image, up to about 3 px."""
    radius = max(1, math.ceil(2.5 * float(sigma.max())))
    at = torch.arange(-radius, radius + 1, dtype=torch.float32)
    kernel = torch.exp(-(at[None] ** 2) / (2 * sigma[:, None].clamp(min=0.05) ** 2))
    kernel = kernel / kernel.sum(1, keepdim=True)
    n = len(image)
    x = F.pad(image.transpose(0, 1), (radius, radius, radius, radius), mode="reflect")
    x = F.conv2d(x, kernel[:, None, None, :], groups=n)
    return F.conv2d(x, kernel[:, None, :, None], groups=n).transpose(0, 1)


def wide_blur(image: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur by tens of pixels at a quarter of the resolution."""
    small = F.avg_pool2d(image, 4)
    return F.interpolate(blur(small, sigma / 4), scale_factor=4.0, mode="bilinear", align_corners=False)


def local_contrast(image: Tensor, field: Tensor, sigma: Tensor) -> Tensor:
    """Deviation from the local mean over the local spread, -3..3, 0 outside the field.

    The same as `fluorospread.landmarks.network.local_contrast`, for a batch.
    """
    weight = wide_blur(field, sigma).clamp(min=1e-3)
    mean = wide_blur(image * field, sigma) / weight
    deviation = (image - mean) * field
    power = wide_blur(deviation**2, sigma) / weight
    overall = (deviation**2).sum((2, 3), keepdim=True) / field.sum((2, 3), keepdim=True).clamp(min=1)
    return (deviation / (power + 0.02 * overall + 1e-9).sqrt()).clamp(-3, 3)


def _uniform(generator: Any, n: int, low: float, high: float) -> Tensor:
    return torch.rand(n, 1, 1, 1, generator=generator) * (high - low) + low


def _chance(generator: Any, n: int, share: float) -> Tensor:
    return (torch.rand(n, 1, 1, 1, generator=generator) < share).float()


class Appearance:
    """Draws appearances for batches; the same seed draws the same ones."""

    def __init__(self, banks: dict[str, npt.NDArray[np.float32]], seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.banks = {name: torch.from_numpy(bank) for name, bank in banks.items()}

        noise = torch.randn(40, 1, 12, 12, generator=self.generator)
        fine = torch.randn(40, 1, 96, 96, generator=self.generator)
        size = (3 * SIZE // 2, 3 * SIZE // 2)
        self.smooth = F.interpolate(noise, size=size, mode="bicubic", align_corners=False)
        self.rough = F.interpolate(fine, size=size, mode="bicubic", align_corners=False)

    def _noise(self, bank: Tensor, n: int, zoom: int = 1) -> Tensor:
        """Smooth noise (n, 1, SIZE, SIZE) cut from a bank at random; zoom > 1 takes larger features."""
        size = SIZE // zoom
        cuts = []
        for _ in range(n):
            k, top, left = (
                int(torch.randint(high, (1,), generator=self.generator))
                for high in (len(bank), bank.shape[2] - size, bank.shape[3] - size)
            )
            cuts.append(bank[k : k + 1, :, top : top + size, left : left + size])
        noise = torch.cat(cuts)
        return F.interpolate(noise, size=(SIZE, SIZE), mode="bilinear", align_corners=False) if zoom > 1 else noise

    def _layers(
        self, name: str, n: int, share: float, strength: tuple[float, float], size: tuple[float, float]
    ) -> Tensor:
        """A randomly placed layer of one bank on `share` of the images, times a strength; 0 on the others."""
        g = self.generator
        out = torch.zeros(n, 1, SIZE, SIZE)
        chosen = torch.nonzero(torch.rand(n, generator=g) < share)[:, 0]
        m = len(chosen)
        if m == 0:
            return out
        pick = torch.randint(len(self.banks[name]), (m,), generator=g)
        scale = _uniform(g, m, 1 / size[1], 1 / size[0]).reshape(m)
        turn = _uniform(g, m, -math.pi, math.pi).reshape(m)
        theta = torch.zeros(m, 2, 3)
        theta[:, 0, 0] = theta[:, 1, 1] = scale * turn.cos()
        theta[:, 0, 1], theta[:, 1, 0] = -scale * turn.sin(), scale * turn.sin()
        theta[:, :, 2] = (torch.rand(m, 2, generator=g) - 0.5) * 1.2
        out[chosen] = _uniform(g, m, *strength) * place(self.banks[name][pick][:, None], theta)
        return out

    def attenuation(self, bone: Tensor, iodine: Tensor | None = None) -> Tensor:
        """Line integrals (n, 1, SIZE, SIZE) of bone thickness steps (n, 2, SIZE, SIZE) and all around it.

        iodine: injected contrast (n, 1, SIZE, SIZE), mg/cm2; with it come needles more often.
        """
        g, n = self.generator, len(bone)
        cortical = bone[:, :1] / CORTICAL_STEPS_PER_MM
        trabecular = bone[:, 1:] / TRABECULAR_STEPS_PER_MM
        edge = torch.exp(_uniform(g, n, math.log(0.018), math.log(0.07)))
        # Real bodies are less hollow, and their shells thinner, than modelled cortices of half a millimetre or more
        # make them (docs/simulated_and_real_films.md).
        filling = edge * torch.exp(_uniform(g, n, math.log(0.07), math.log(0.9)))
        shell = edge * _uniform(g, n, 0.35, 1.0)
        texture = 1 + 0.4 * _uniform(g, n, 0, 1) ** 3 * self._noise(self.rough, n)
        line = shell * cortical + filling * trabecular * texture.clamp(0, 3)
        # Thick bone saturates, and where scatter is worst, mostly over the sacrum, bone washes out.
        limit = _uniform(g, n, 0.8, 3.5)
        line = limit * torch.tanh(line / limit)
        down = torch.linspace(-1, 1, SIZE)[None, None, :, None] * _uniform(g, n, -0.6, 1.2)
        faded = torch.sigmoid(3 * (down + 0.5 * self._noise(self.smooth, n, 4)) - _uniform(g, n, 0, 3))
        line = line * (1 - _chance(g, n, 0.6) * _uniform(g, n, 0.2, 1.0) * faded)
        across = torch.linspace(-1, 1, SIZE)[None, None, None, :] * _uniform(g, n, 0.3, 1.3) + _uniform(g, n, -0.3, 0.3)
        trunk = (1 - across**2).clamp(min=0.0).sqrt()
        soft = _uniform(g, n, 0.5, 3.0) * trunk + _uniform(g, n, 0, 0.5) * self._noise(self.smooth, n, 4)
        # Half of the films are clean apart from their gas: real ones are, seen side by side.
        busy = _chance(g, n, 0.5)
        soft = soft + (0.3 + 0.7 * busy) * _uniform(g, n, 0, 0.15) * self._noise(self.smooth, n)
        # Folds and walls of the gut: ridges of a noise field, at two sizes.
        ridges = torch.exp(-((self._noise(self.smooth, n) / 0.25) ** 2)) * busy * _uniform(g, n, 0, 0.15)
        finer = torch.exp(-((self._noise(self.rough, n, 4) / 0.3) ** 2)) * busy * _uniform(g, n, 0, 0.10)
        mottle = busy * _chance(g, n, 0.6) * _uniform(g, n, 0, 0.06) * self._noise(self.rough, n, 2)
        line = line + soft + ridges + finer + mottle
        line = line - self._layers("gas", n, 0.6, (0.05, 0.8), (0.5, 2.0))
        line = line - self._layers("gas", n, 0.4, (0.05, 0.6), (0.3, 1.2))
        line = line + self._layers("stool", n, 0.5, (0.1, 1.0), (0.5, 2.0))
        line = line + self._layers("contrast", n, 0.25, (0.1, 2.0), (0.3, 1.5))
        if iodine is not None:
            relative = torch.exp(_uniform(g, n, math.log(_LEAST_IODINE), math.log(_MOST_IODINE)))
            line = line + relative * edge * iodine + self._layers("metal", n, 0.3, (0.5, 4.0), (0.4, 1.3))
        return line + self._layers("metal", n, 0.12, (0.5, 4.0), (0.4, 1.3))

    def display(self, line: Tensor, field: Tensor) -> Tensor:
        """Grey values, bone bright, as a viewer would store them (about 0..1)."""
        g, n = self.generator, len(line)
        # Half are as sharp and quiet as diagnostic films, half as poor as fluoroscopy can be.
        quiet = _chance(g, n, 0.5)
        line = blur(line, (_uniform(g, n, 0.1, 1.8) * (1 - 0.6 * quiet)).reshape(n))
        signal = torch.exp(-line)
        open_field = (signal * field).sum((2, 3), keepdim=True) / field.sum((2, 3), keepdim=True).clamp(min=1)
        scatter = _uniform(g, n, 0, 1.5) * open_field
        grain = torch.exp(_uniform(g, n, math.log(0.001), math.log(0.025))) * (1 - 0.7 * quiet)
        noise = torch.randn(line.shape, generator=g)
        soft_noise = blur(noise, _uniform(g, n, 0.1, 1.0).reshape(n))
        signal = (signal + scatter) / (open_field + scatter) + grain * soft_noise * (0.5 + (signal / open_field).sqrt())
        logarithmic = -torch.log(signal.clamp(min=0.02))
        power = 1 - signal.clamp(min=0.0) ** _uniform(g, n, 0.3, 1.0)
        grey = torch.where(_chance(g, n, 0.6) > 0, logarithmic, power)
        sharpen = _chance(g, n, 0.5) * _uniform(g, n, 0, 3.0)
        fine = grey - blur(grey, _uniform(g, n, 0.8, 3.0).reshape(n))
        grey = grey + sharpen * fine
        level = (grey * field).sum((2, 3), keepdim=True) / field.sum((2, 3), keepdim=True).clamp(min=1)
        spread = (((grey - level) ** 2 * field).sum((2, 3), keepdim=True) / field.sum((2, 3), keepdim=True)).sqrt()
        # Some films are burnt out at one end: what is brightest, mostly the pelvis, or darkest is all one grey.
        low = level - torch.where(_chance(g, n, 0.15) > 0, _uniform(g, n, 0.5, 1.2), _uniform(g, n, 1.2, 4)) * spread
        high = level + torch.where(_chance(g, n, 0.15) > 0, _uniform(g, n, 0.5, 1.2), _uniform(g, n, 1.2, 4)) * spread
        grey = ((grey - low) / (high - low + 1e-6)).clamp(0, 1)
        grey = (grey * 255).round() / 255
        written = self._layers("writing", n, 0.35, (1.0, 1.0), (0.4, 1.0))
        return grey + written * (_chance(g, n, 0.7) - grey)

    def filtered(self, grey: Tensor, field: Tensor, share: float = 0.35) -> Tensor:
        """`share` of the images seen through small random filters, so that shape rather than grey value tells.

        Three layers of random 3 x 3 or 1 x 1 kernels, mixed with the image, brighter still where bone is (Ouyang
        et al., Causality-inspired single-source domain generalization for medical image segmentation, IEEE TMI 2022).
        """
        g = self.generator
        chosen = torch.nonzero(torch.rand(len(grey), generator=g) < share)[:, 0]
        m = len(chosen)
        if m == 0:
            return grey
        image, lit = grey[chosen], field[chosen]
        area = lit.sum((2, 3), keepdim=True).clamp(min=1)

        def even(x: Tensor) -> Tensor:
            x = x - (x * lit).sum((2, 3), keepdim=True) / area
            return x / ((x**2 * lit).sum((2, 3), keepdim=True) / area).sqrt().clamp(min=1e-4)

        plain = even(image)
        x, before = plain.transpose(0, 1), 1
        for after in (2, 2, 1):
            width = 3 if float(torch.rand(1, generator=g)) < 0.6 else 1
            kernel = torch.randn(m * after, before, width, width, generator=g)
            offset = torch.randn(m * after, generator=g)
            x = F.conv2d(F.pad(x, (width // 2,) * 4, mode="reflect"), kernel, offset, groups=m)
            x, before = F.leaky_relu(x, 0.2) if after > 1 else x, after
        other = even(x.transpose(0, 1))
        alike = (other * plain * lit).sum((2, 3), keepdim=True)
        mixed = plain + _uniform(g, m, 0, 2.5) * torch.where(alike < 0, -other, other)
        out = grey.clone()
        out[chosen] = 0.5 + 0.15 * even(mixed)
        return out

    def fields(self, n: int, inside: Tensor) -> Tensor:
        """Fields of view (n, 1, SIZE, SIZE): films of any aspect, collimated, or the circle of a C-arm."""
        g = self.generator
        y = torch.linspace(-1, 1, SIZE)[None, None, :, None]
        x = torch.linspace(-1, 1, SIZE)[None, None, None, :]
        narrow = _chance(g, n, 0.6) * _uniform(g, n, 0.0, 0.45)
        low = _chance(g, n, 0.15) * _uniform(g, n, 0.0, 0.3)
        film = ((x.abs() < 1 - narrow) & (y.abs() < 1 - low)).float()
        disc = ((x**2 + y**2) < _uniform(g, n, 0.8, 1.2) ** 2).float()
        field = torch.where(_chance(g, n, 0.22) > 0, disc, film)
        cut = (
            (x > -_uniform(g, n, 0.6, 1.4)) & (y > -_uniform(g, n, 0.8, 1.6)) & (y < _uniform(g, n, 0.8, 1.6))
        ).float()
        return field * cut * inside

    def __call__(
        self,
        views: npt.NDArray[np.uint8],
        window: Window,
        top_px: npt.NDArray[np.float64],
        iodine: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Network inputs (n, 2 or 3, SIZE, SIZE) and true fields (n, SIZE, SIZE) of views (n, 2, rows, cols).

        Rows above `top_px` (n,) of the image lie outside every field. With `iodine` (n, 1, SIZE, SIZE), mg/cm2,
        broad local contrast comes after the fine one.
        """
        g, n = self.generator, len(views)
        bone, inside = cut_out(views, window)
        rows = torch.arange(SIZE, dtype=torch.float32)[None, None, :, None]
        inside = inside * (rows > torch.from_numpy(top_px.astype(np.float32))[:, None, None, None])
        field = self.fields(n, inside)
        grey = self.display(self.attenuation(bone, iodine), field)
        if iodine is None:
            grey = self.filtered(grey, field)
        # Outside the field a film is black or white, and the reader may not know where its field ends.
        told = _chance(g, n, 0.7)
        shown = torch.where(field > 0, grey, _chance(g, n, 0.3))
        seen = told * field + (1 - told)
        layers = [local_contrast(shown, seen, _uniform(g, n, 7, 12).reshape(n)) * seen]
        if iodine is not None:
            layers.append(local_contrast(shown, seen, _uniform(g, n, 24, 36).reshape(n)) * seen)
        return torch.cat([*layers, seen], 1), field[:, 0]
