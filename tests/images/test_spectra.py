"""Spectra, compared with known waves and a discrete Fourier transform in plain sums."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp_lab.figures import frequency_plots
from mlp_lab.figures.frequency_plots import radial_spectrum
from mlp_lab.images.spectra import spectrum


def wave(size: int, u: int, v: int, amplitude: float) -> np.ndarray:
    y, x = np.mgrid[:size, :size] / size
    return (0.5 + amplitude * np.cos(2 * np.pi * (u * x + v * y)))[..., None]


@settings(max_examples=20)
@given(st.integers(-5, 5), st.integers(-5, 5), st.floats(0.01, 0.5))
def test_a_wave_has_half_its_amplitude_at_its_frequency(u: int, v: int, amplitude: float) -> None:
    size = 16
    if (u, v) == (0, 0) or max(abs(u), abs(v)) < 2:  # where the lines of the window overlap
        return
    actual = spectrum(wave(size, u, v, amplitude))
    rows, columns = np.nonzero(actual > 0.99 * amplitude / 2)
    assert {(c - 8, r - 8) for r, c in zip(rows, columns, strict=True)} == {(u, v), (-u, -v)}
    assert actual[8 + v, 8 + u] == pytest.approx(amplitude / 2)


@pytest.mark.parametrize("size", [2, 5, 6])
def test_a_spectrum_equals_plain_sums(size: int) -> None:
    picture = np.random.default_rng(0).random((size, size, 3))
    places = np.arange(size)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * places / size)
    window = hann[:, None] * hann
    expected = np.zeros((size, size))
    for row, v in enumerate(places - size // 2):
        for column, u in enumerate(places - size // 2):
            turn = np.exp(-2j * np.pi * (v * places[:, None] + u * places) / size)
            power = 0.0
            for channel in range(3):
                values = picture[:, :, channel] - picture[:, :, channel].mean()
                power += abs((values * window * turn).sum() / window.sum()) ** 2 / 3
            expected[row, column] = np.sqrt(power)
    np.testing.assert_allclose(spectrum(picture), expected, atol=1e-12)


def test_a_constant_image_has_a_zero_spectrum() -> None:
    assert spectrum(np.full((8, 8, 3), 0.7)).max() < 1e-15


@pytest.mark.parametrize("size", [2, 7, 8])
def test_the_radial_spectrum_equals_a_loop(size: int) -> None:
    amplitudes = np.random.default_rng(0).random((size, size))
    rings: dict[int, list[float]] = {}
    for (row, column), value in np.ndenumerate(amplitudes):
        frequency = round(np.hypot(row - size // 2, column - size // 2))
        rings.setdefault(frequency, []).append(value)
    frequencies, actual = radial_spectrum(amplitudes)
    assert frequencies.tolist() == list(range(1, size // 2 + 1))
    expected = [np.sqrt(np.mean(np.square(rings[f]))) for f in frequencies]
    np.testing.assert_allclose(actual, expected)


@pytest.mark.parametrize("size", [2, 16])
def test_spectra_are_drawn_side_by_side_and_by_frequency(size: int) -> None:
    pictures = {"truth": wave(size, 1, 0, 0.3), "last look": np.zeros((size, size, 1))}
    made = {name: spectrum(picture) for name, picture in pictures.items()}
    figure = frequency_plots.amplitude_spectra(made, 4.0, "amplitude spectra")
    assert [panel.get_title() for panel in figure.axes[:2]] == list(made)
    lines = {line.get_label(): line for line in figure.axes[2].lines}
    _, expected = radial_spectrum(made["truth"].clip(1e-6))
    assert lines["truth"].get_ydata().tolist() == expected.tolist()
    assert lines["Nyquist frequency of the training pixels"].get_xdata()[0] == 4
    figure.draw_without_rendering()
