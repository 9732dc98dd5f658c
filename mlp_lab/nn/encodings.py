"""Encodings of coordinates: what a network sees in place of a point of [0, 1)^d.

A multilayer perceptron of raw coordinates learns low frequencies first, and high ones hardly ever.
Sines and cosines of the coordinates make the kernel of its training depend on the difference of
two points alone, and their frequencies say how fast it falls off (Tancik et al. 2020,
arXiv 2006.10739, section 5). A grid of features that are trained spares the network the rest of
that work (Mueller et al. 2022, arXiv 2201.05989).
"""

import math
from collections.abc import Hashable

import torch
from torch import Tensor, nn

# 2^k for larger k is more than float32 can tell a coordinate's phase for.
_MOST_OCTAVES = 20
# The part of the frequencies above what the training pixels can show that calls for a remark: a
# tenth costs about 5 dB between the pixels (train.py -m experiment=image_tancik sweep=sigma).
_MOST_ABOVE = 0.05


class Identity(nn.Identity):
    """The coordinates as they are: ``[..., in_features]`` to the same."""

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.out_features = in_features


class Centred(nn.Module):
    """2x - 1: coordinates in [-1, 1), around 0, as ``networks.Siren`` wants them.

    ``[..., in_features]`` to the same.
    """

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.out_features = in_features

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x - 1


class FourierFeatures(nn.Module):
    """[sin 2 pi B x, cos 2 pi B x] for a matrix B of frequencies, in cycles over [0, 1).

    2 pi is inside. Shapes: ``[..., in_features]`` to ``[..., 2 frequencies]``, the sines first.

    The product of the features of two points is sum_j cos 2 pi b_j . (x - y), that of Tancik et al.
    (section 5) with all amplitudes 1; the squared norm is the number of frequencies.

    Args:
        frequencies: B: ``[frequencies, in_features]``. Saved with the network, but not trained.
    """

    frequencies: Tensor

    def __init__(self, frequencies: Tensor) -> None:
        super().__init__()
        self.register_buffer("frequencies", frequencies)
        self.out_features = 2 * len(frequencies)

    def forward(self, x: Tensor) -> Tensor:
        phase = x @ (2 * math.pi * self.frequencies.T)
        return torch.cat([phase.sin(), phase.cos()], -1)

    def below(self, highest: float) -> str | None:
        """Settings whose frequencies stay well below ``highest``, in words; None: it has none."""
        return None


class Basic(FourierFeatures):
    """Each coordinate once around the circle: B is the unit matrix (Tancik et al., section 6).

    ``[..., in_features]`` to ``[..., 2 in_features]``; 2 pi is inside.
    """

    def __init__(self, in_features: int) -> None:
        super().__init__(torch.eye(in_features))


class Positional(FourierFeatures):
    """The same frequencies along each axis, their logarithms evenly spaced.

    ``[..., in_features]`` to ``[..., 2 frequencies]``; 2 pi is inside.

    Args:
        in_features: d, the number of coordinates.
        frequencies: m in all, m / d along each axis.
        scale: S: with ``spacing=log`` the frequencies of an axis are 2^s - 1 for m / d values s
            spread evenly from 0 to S, as in the code that Tancik et al. published; the lowest is 0.
            (Their section 6 has sigma^(j / m) in place of this.)
        spacing: ``log``, or ``octaves``: 2^(k - 1) for k = 0 .. m / d - 1, which with the 2 pi is
            the sin 2^k pi x of NeRF (Mildenhall et al. 2020, equation 4); S has no part in it.

    Raises:
        ValueError: m isn't a multiple of d, or there are more octaves than float32 can resolve.
    """

    def __init__(self, in_features: int, *, frequencies: int, scale: float, spacing: str) -> None:
        each, rest = divmod(frequencies, in_features)
        if rest:
            raise ValueError(
                f"frequencies={frequencies}: must be a multiple of the {in_features} coordinates"
            )
        if spacing == "octaves":
            if each > _MOST_OCTAVES:
                most = _MOST_OCTAVES * in_features
                raise ValueError(f"frequencies={frequencies}: must be at most {most} for octaves")
            along = 2.0 ** (torch.arange(each) - 1)
        else:
            along = 2.0 ** torch.linspace(0, scale, each) - 1
        super().__init__(torch.block_diag(*[along.unsqueeze(1)] * in_features))
        self._spacing = spacing

    def below(self, highest: float) -> str | None:
        octaves = math.log2(highest / 2)
        if self._spacing == "octaves":
            most = self.frequencies.shape[1] * max(1, 2 + math.floor(octaves))
            return f"encoding.frequencies up to {most}"
        return f"encoding.scale up to {max(0.0, octaves):.1f}"


class Gaussian(FourierFeatures):
    """Random frequencies in all directions: B ~ N(0, sigma^2) (Tancik et al., section 6).

    ``[..., in_features]`` to ``[..., 2 frequencies]``; 2 pi is inside. B is drawn from torch's
    global generator, as the weights of networks are.

    Args:
        in_features: d, the number of coordinates.
        frequencies: m, rows of B.
        sigma: standard deviation of each entry, in cycles over [0, 1).
    """

    def __init__(self, in_features: int, *, frequencies: int, sigma: float) -> None:
        super().__init__(sigma * torch.randn(frequencies, in_features))

    def below(self, highest: float) -> str | None:
        return f"encoding.sigma up to {highest / 4:.2g}"


def aliasing_hint(encoding: nn.Module, highest: float) -> str | None:
    """A remark if many frequencies are above the ``highest`` that the training pixels can show.

    They make a network that knows its pixels and nothing between them.
    """
    if not isinstance(encoding, FourierFeatures) or (settings := encoding.below(highest)) is None:
        return None
    above = float((encoding.frequencies.abs().amax(1) > highest).float().mean())
    if above <= _MOST_ABOVE:
        return None
    return (
        f"encoding: {100 * above:.0f} % of its frequencies are above {highest:g} cycles, the"
        f" highest that the training pixels can show (Nyquist); {settings} would suit them"
    )


def fingerprint(encoding: nn.Module) -> Hashable:
    """What two encodings have in common if and only if they encode alike."""
    state = encoding.state_dict()
    kind = FourierFeatures if isinstance(encoding, FourierFeatures) else type(encoding)
    return kind, *(tuple(tensor.flatten().tolist()) for tensor in state.values())
