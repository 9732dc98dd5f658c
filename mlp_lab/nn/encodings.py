"""Encodings: maps from the coordinates of a point in [0, 1)^d to the inputs of a network.

A multilayer perceptron of raw coordinates learns low frequencies first and high frequencies very
slowly. With sines and cosines of the coordinates, the kernel of the training depends only on the
difference of two points, and the frequencies determine its width (Tancik et al. 2020,
arXiv 2006.10739, section 5). In a hash grid, the encoding itself is
trained (``hash_grid``; Mueller et al. 2022, arXiv 2201.05989).
"""

import math
from collections.abc import Hashable

import torch
from torch import Tensor, nn

# float32 cannot resolve the phase 2^k x of a coordinate x for larger k.
_MAX_OCTAVES = 20
# A larger fraction of frequencies above the Nyquist frequency of the training pixels causes a
# warning: a tenth costs about 5 dB between the pixels
# (train.py -m experiment=image_tancik sweep=gaussian_sigmas).
_MAX_FRACTION_ABOVE = 0.05


class Identity(nn.Identity):
    """Identity: the raw coordinates.

    Shapes: ``[..., in_features]`` to ``[..., in_features]``.
    """

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.out_features = in_features


class Centred(nn.Module):
    """2x - 1: coordinates in [-1, 1), the range for which ``siren.Siren`` is initialized.

    Shapes: ``[..., in_features]`` to ``[..., in_features]``.
    """

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.out_features = in_features

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x - 1


class FourierFeatures(nn.Module):
    """[sin 2 pi B x, cos 2 pi B x] for a matrix B of frequencies in cycles over [0, 1).

    The frequencies do not include the factor 2 pi.

    The dot product of the features of two points is sum_j cos 2 pi b_j . (x - y), as in Tancik et
    al. (section 5) with all amplitudes 1. The squared norm is the number of frequencies.

    Shapes: ``[..., in_features]`` to ``[..., 2 * frequencies]``, the sines first.

    Args:
        frequencies: matrix B, ``[frequencies, in_features]``. It is saved with the network, but not
            trained.
        unit_norm: whether the features are divided by their norm, which is the same for all points
            (in the code of Tancik et al. for 3D shapes).
    """

    frequencies: Tensor

    def __init__(self, frequencies: Tensor, unit_norm: bool = False) -> None:
        super().__init__()
        self.register_buffer("frequencies", frequencies)
        self.out_features = 2 * len(frequencies)
        self.amplitude = 1 / math.sqrt(len(frequencies)) if unit_norm else 1.0

    def forward(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        """Return the features, in ``out`` if it is given: ``[..., 2 * frequencies]``."""
        # Every phase twice, so that its sine and cosine need no further memory.
        twice = torch.cat([self.frequencies, self.frequencies])
        with torch.autocast(x.device.type, enabled=False):  # which would round the phases
            features = torch.matmul(x, 2 * math.pi * twice.T, out=out)
        features[..., : len(self.frequencies)].sin_()
        features[..., len(self.frequencies) :].cos_()
        return features if self.amplitude == 1 else features.mul_(self.amplitude)

    def settings_below(self, highest: float) -> str | None:
        """Describe settings whose frequencies are well below ``highest``.

        Returns:
            A config key and its largest value; None if the encoding has no settings.
        """
        return None


class Basic(FourierFeatures):
    """One cycle per coordinate: B is the identity matrix (Tancik et al., section 6).

    Shapes: ``[..., in_features]`` to ``[..., 2 * in_features]``.

    Args:
        in_features: number of coordinates.
        unit_norm: as in ``FourierFeatures``.
    """

    def __init__(self, in_features: int, *, unit_norm: bool = False) -> None:
        super().__init__(torch.eye(in_features), unit_norm)


class Positional(FourierFeatures):
    """The same logarithmically spaced frequencies along each axis.

    Shapes: ``[..., in_features]`` to ``[..., 2 * frequencies]``.

    Args:
        in_features: number d of coordinates.
        frequencies: total number m of frequencies, m / d along each axis.
        scale: exponent S of the highest frequency with ``spacing=log``; ``octaves`` ignores it.
        spacing: spacing of the m / d frequencies of an axis:

            - ``log``: 2^s - 1 for evenly spaced s from 0 to S, as in the code that Tancik et al.
              published. The lowest frequency is 0. (Their section 6 has sigma^(j / m) instead.)
            - ``octaves``: 2^(k - 1) for k = 0, ..., m / d - 1. With the factor 2 pi this is the
              sin 2^k pi x of NeRF (Mildenhall et al. 2020, equation 4).
        unit_norm: as in ``FourierFeatures``.

    Raises:
        ValueError: m is not a multiple of d, there are more octaves than float32 can resolve, or
            ``log`` has one frequency along an axis.
    """

    def __init__(
        self,
        in_features: int,
        *,
        frequencies: int,
        scale: float,
        spacing: str,
        unit_norm: bool = False,
    ) -> None:
        per_axis, remainder = divmod(frequencies, in_features)
        if remainder:
            raise ValueError(
                f"frequencies={frequencies}: must be a multiple of the {in_features} coordinates"
            )
        if spacing == "octaves":
            if per_axis > _MAX_OCTAVES:
                most = _MAX_OCTAVES * in_features
                raise ValueError(f"frequencies={frequencies}: must be at most {most} for octaves")
            axis_frequencies = 2.0 ** (torch.arange(per_axis) - 1)
        else:
            if per_axis < 2:  # the only frequency would be 0
                least = 2 * in_features
                raise ValueError(f"frequencies={frequencies}: must be at least {least} for log")
            axis_frequencies = 2.0 ** torch.linspace(0, scale, per_axis) - 1
        frequencies_by_axis = [axis_frequencies.unsqueeze(1)] * in_features
        super().__init__(torch.block_diag(*frequencies_by_axis), unit_norm)
        self._spacing = spacing

    def settings_below(self, highest: float) -> str | None:
        octaves = math.log2(highest / 2)
        if self._spacing == "octaves":
            most = self.frequencies.shape[1] * max(1, 2 + math.floor(octaves))
            return f"encoding.frequencies up to {most}"
        return f"encoding.scale up to {max(0.0, octaves):.1f}"


class Gaussian(FourierFeatures):
    """Random frequencies in all directions: B ~ N(0, sigma^2) (Tancik et al., section 6).

    B is sampled from torch's global generator, like the initial weights of networks.

    Shapes: ``[..., in_features]`` to ``[..., 2 * frequencies]``.

    Args:
        in_features: number of coordinates.
        frequencies: number of rows of B.
        sigma: standard deviation of the entries of B, in cycles over [0, 1).
        unit_norm: as in ``FourierFeatures``.
    """

    def __init__(
        self, in_features: int, *, frequencies: int, sigma: float, unit_norm: bool = False
    ) -> None:
        super().__init__(sigma * torch.randn(frequencies, in_features), unit_norm)

    def settings_below(self, highest: float) -> str | None:
        return f"encoding.sigma up to {highest / 4:.2g}"


def period_hint(encoding: nn.Module) -> str | None:
    """Return a warning if an encoding has the period 1, for inputs that are not in [0, 1)."""
    if not isinstance(encoding, FourierFeatures):
        return None
    frequencies = encoding.frequencies
    if not bool((frequencies == frequencies.round()).all()):
        return None
    return (
        "encoding: has the period 1, but the inputs of these data are not in [0, 1): inputs that"
        " differ by 1 along an axis have the same features"
    )


def aliasing_hint(encoding: nn.Module, highest: float) -> str | None:
    """Return a warning if many frequencies of an encoding are above the Nyquist frequency.

    With such frequencies, a network fits the training pixels, but not the points between them.

    Args:
        encoding: any encoding; there is no warning for encodings without fixed frequencies.
        highest: Nyquist frequency of the training pixels, in cycles over [0, 1).

    Returns:
        One line that names suitable settings; None if no warning is necessary.
    """
    if not isinstance(encoding, FourierFeatures):
        return None
    settings = encoding.settings_below(highest)
    above = float((encoding.frequencies.abs().amax(1) > highest).float().mean())
    if settings is None or above <= _MAX_FRACTION_ABOVE:
        return None
    return (
        f"encoding: {100 * above:.0f} % of its frequencies are above {highest:g} cycles, the"
        f" Nyquist frequency of the training pixels; suitable: {settings}"
    )


def fingerprint(encoding: nn.Module) -> Hashable:
    """Return a key that two encodings share only if they are the same function."""
    state = encoding.state_dict()
    tensors = (tuple(tensor.flatten().tolist()) for tensor in state.values())
    if isinstance(encoding, FourierFeatures):  # its frequencies and its amplitude define it
        return FourierFeatures, encoding.amplitude, *tensors
    # Other classes may keep settings in plain attributes.
    settings = [
        (name, repr(value))
        for module in encoding.modules()
        for name, value in vars(module).items()
        if name not in vars(nn.Module())
    ]
    return type(encoding), *settings, *tensors
