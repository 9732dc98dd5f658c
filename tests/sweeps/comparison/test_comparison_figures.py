"""Figures of many runs: the drawn values, and that nothing is clipped."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, to_rgba
from matplotlib.figure import Figure

from mlp_lab.sweeps.comparison.figures import epoch_curves, styles, swept_values

LONG = "optimizer=SGD lr=1e-05 widths=[784,512,256,128,64] activation=leaky_relu dropout=0.25 "


def history_rows(*losses: float) -> list[dict[str, float]]:
    rows = enumerate(losses, 1)
    return [{"epoch": i, "loss/train": v / 2, "loss/validation": v} for i, v in rows]


def bands(*means: float) -> dict[str, np.ndarray]:
    rest = np.full((2, len(means)), [[0.25], [3]])
    curve = np.array([np.arange(1, len(means) + 1), means, *rest])
    return {"train": curve / [[1], [2], [1], [1]], "validation": curve}


def ticks(panel: Axes) -> list[str]:
    return [label.get_text() for label in panel.get_xticklabels()]


def assert_all_inside(figure: Figure) -> None:
    figure.draw_without_rendering()  # which lays out
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert min(box.x0, box.y0, width - box.x1, height - box.y1) > -0.01
    for legend in figure.legends:
        assert not any(legend.get_window_extent().overlaps(panel.bbox) for panel in figure.axes)
    for panel in figure.axes:
        assert min(panel.get_window_extent().size) > 100 or panel.get_label() == "<colorbar>"


@pytest.mark.parametrize("jobs", [1, styles.MOST, styles.MOST + 1, 200])
def test_only_the_best_groups_are_coloured(jobs: int) -> None:
    named = [(f"seed={i}", history_rows(3.0 + i, 2.0 + i)) for i in range(jobs)]
    figure = epoch_curves.error_curves(named, "loss", 2)
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    best = [label for label, _ in named[: styles.MOST]]
    rest = [f"the other {jobs - len(best)}"] if jobs > len(best) else []
    assert shown == ["chosen: epoch 2", *best, *rest]
    for panel, factor in zip(figure.axes, (0.5, 1.0), strict=True):
        lines = [line for line in panel.lines if line.get_linestyle() != "None"]
        assert len(lines) == jobs
        drawn = {tuple(line.get_ydata()) for line in lines}
        assert drawn == {(factor * (3.0 + i), factor * (2.0 + i)) for i in range(jobs)}
        grey = [line for line in lines if to_rgba(line.get_color()) == to_rgba("0.8")]
        assert len(grey) == len(named) - len(best)
        assert all(line.get_ydata()[0] >= factor * (3.0 + len(best)) for line in grey)


@pytest.mark.parametrize(
    "label", ["lr=1", pytest.param(LONG, marks=pytest.mark.slow), 5 * LONG, "x" * 200]
)
def test_long_labels_fit_into_the_figure(label: str) -> None:
    jobs = [(f"{label}seed={i}", history_rows(3.0, 2.0)) for i in range(12)]
    assert_all_inside(epoch_curves.error_curves(jobs, "loss", 1))
    groups = [(f"{label}seed={i}", bands(2.0, 3.0)) for i in range(12)]
    assert_all_inside(epoch_curves.seed_bands(groups, "loss", "title"))


@pytest.mark.parametrize(
    "values",
    [
        ["[784,512,256,128,64]", "[512,128]", "null"],
        pytest.param(
            ["identity", "leaky_relu", "relu", "sigmoid", "silu", "softplus", "tanh"],
            marks=pytest.mark.slow,
        ),
        pytest.param([1e-5, 1e-4, 0.001, 0.01, 0.02, 0.03], marks=pytest.mark.slow),
        [f"a_word_of_many_letters_{i}" for i in range(16)],
        [1000, "null"],
        [3],
    ],
)
def test_value_names_fit_into_the_figure(values: list[float | str]) -> None:
    points = [(value, 1.0 + i, 0.1) for i, value in enumerate(values)]
    lines = {LONG: {"train": points, "validation": points}}
    assert_all_inside(
        swept_values.metric_against(lines, "network.widths", "error", "network.width")
    )
    names = [str(value) for value in values]
    cells = np.arange(1.0, len(names) ** 2 + 1).reshape(len(names), len(names))
    assert_all_inside(
        swept_values.heat_map(names, names, cells, ("network.a", "network.b"), "loss", "")
    )


def test_bands_are_one_standard_deviation_wide() -> None:
    groups = [("a", bands(2.0, 1.0)), ("b", bands(4.0, 3.0, 5.0))]
    figure = epoch_curves.seed_bands(groups, "loss", "mean ± sd")
    validation = figure.axes[1]
    lines = {line.get_label(): line.get_xydata().tolist() for line in validation.lines}
    assert lines == {"a": [[1, 2], [2, 1]], "b": [[1, 4], [2, 3], [3, 5]]}
    for band, (_, curves) in zip(reversed(validation.collections), groups, strict=True):
        epochs, means, spread, _ = curves["validation"]
        corners = {tuple(corner) for corner in band.get_paths()[0].vertices}
        for sign in (-1, 1):
            assert set(zip(epochs, means + sign * spread, strict=True)) <= corners


def test_bands_that_reach_below_zero_leave_the_lines_readable() -> None:
    figure = epoch_curves.seed_bands([("a", bands(30.0, 1.0, 0.1))], "loss", "")
    panel = figure.axes[1]
    assert panel.get_yscale() == "log"
    assert panel.get_ylim()[0] == pytest.approx(0.8 * 0.05)


def test_single_epochs_have_error_bars() -> None:
    panel = epoch_curves.seed_bands([("a", bands(2.0))], "loss", "").axes[1]
    [bars] = panel.containers
    assert bars[2][0].get_segments()[0].tolist() == [[1, 1.75], [1, 2.25]]


@pytest.mark.parametrize(
    ("values", "scale", "names"),
    [
        ([0.01, 0.1, 1.0], "log", ["0.01", "0.1", "1"]),
        ([1e-5, 0.01, 0.03, 0.1], "log", ["1e-05", "0.01", "0.03", "0.1"]),
        ([16, 64, 256], "log", ["16", "64", "256"]),
        ([1, 2, 3], "linear", ["1", "2", "3"]),
        ([0.0, 0.1, 0.2, 0.5], "linear", ["0", "0.1", "0.2", "0.5"]),
        ([0.1, 0.5], "linear", ["0.1", "0.5"]),
        ([1000, "null"], "linear", ["1000", "null"]),
        (["false", "true"], "linear", ["false", "true"]),
        ([4], "linear", ["4"]),
    ],
)
def test_axis_of_a_swept_key(values: list, scale: str, names: list[str]) -> None:
    points = [(value, 1.0 + i, np.nan) for i, value in enumerate(values)]
    panel = swept_values.metric_against({"": {"validation": points}}, "key", "loss").axes[0]
    assert panel.get_xscale() == scale
    assert ticks(panel) == names


def test_zero_is_placed_beside_a_logarithmic_axis() -> None:
    points = [(value, 1.0, np.nan) for value in (0.0, 1e-5, 1e-4, 1e-3)]
    lines = {"": {"validation": points}}
    panel = swept_values.metric_against(lines, "weight_decay", "loss").axes[0]
    assert panel.get_xscale() == "linear"
    assert panel.get_xticks().tolist() == [0, 1, 2, 3]
    assert ticks(panel) == ["0", "1e-05", "0.0001", "0.001"]


def test_results_over_decades_have_a_logarithmic_axis() -> None:
    points = [(1, 1.0, np.nan), (2, 2.0, np.nan), (3, 3e9, np.nan)]
    figure = swept_values.metric_against({"": {"validation": points}}, "depth", "loss")
    assert figure.axes[0].get_yscale() == "log"


def test_points_have_error_bars_and_lines_connect_means() -> None:
    lines = {
        "8": {"validation": [(0.1, 2.0, 0.5), (0.1, 4.0, 0.25), (0.2, 1.0, np.nan)]},
        "16": {"validation": [(0.1, 5.0, 1.0)]},
    }
    [panel] = swept_values.metric_against(lines, "lr", "loss", "width").axes
    dots = [line.get_xydata().tolist() for line in panel.lines if line.get_marker() in "os"]
    assert dots == [[[0.1, 2], [0.1, 4], [0.2, 1]], [[0.1, 5]]]
    through = [line.get_xydata().tolist() for line in panel.lines if line.get_alpha() == 0.6]
    assert through == [[[0.1, 3], [0.2, 1]], [[0.1, 5]]]
    ends = [bar.tolist() for bars in panel.containers for bar in bars[2][0].get_segments()]
    assert ends == [[[0.1, 1.5], [0.1, 2.5]], [[0.1, 3.75], [0.1, 4.25]], [[0.1, 4], [0.1, 6]]]
    assert panel.figure.get_suptitle().splitlines() == [
        "loss against lr",
        "line: mean over the other keys; mean ± sd over repeated runs",
    ]


def test_learning_curves_show_both_splits_in_bands() -> None:
    sizes, names = [100.0, 1000.0, 10000.0], ["perceptron", "mlp"]
    reached = {
        name: {
            "train": [(size, 0.01 * i + size / 1e6, 0.001) for size in sizes],
            "validation": [(size, 0.1 * i + 10 / size, 0.01) for size in sizes],
        }
        for i, name in enumerate(names, 1)
    }
    figure = swept_values.metric_against(reached, "data.train_size", "error", "network")
    [panel] = figure.axes
    assert panel.get_xscale() == "log"
    expected = [points for pair in reached.values() for points in pair.values()]
    through = [line for line in panel.lines if line.get_alpha() == 0.6]
    assert [line.get_xydata().tolist() for line in through] == [
        [[size, mean] for size, mean, _ in points] for points in expected
    ]
    assert [line.get_linestyle() for line in through] == ["--", "-", "--", "-"]
    for band, points in zip(panel.collections, expected, strict=True):
        corners = np.array(band.get_paths()[0].vertices)
        for size, mean, spread in points:
            edges = corners[corners[:, 0] == size, 1]
            assert (edges.min(), edges.max()) == pytest.approx((mean - spread, mean + spread))
    colours = [line.get_color() for line in through]
    assert colours[0] == colours[1] != colours[2] == colours[3]
    marks, legend = figure.legends
    assert [text.get_text() for text in marks.get_texts()] == [
        "train: last epoch", "validation: best epoch",
    ]  # fmt: skip
    assert [text.get_text() for text in legend.get_texts()] == names
    assert [handle.get_color() for handle in legend.legend_handles] == colours[::2]
    assert_all_inside(figure)


@given(
    st.integers(1, 6), st.integers(1, 6), st.sampled_from(["loss", "error"]),
    st.randoms(use_true_random=False),
)  # fmt: skip
@settings(max_examples=15)
def test_heat_map_labels_every_value(rows: int, columns: int, metric: str, random: object) -> None:
    values = np.array([[10 ** random.uniform(-3, 0) for _ in range(columns)] for _ in range(rows)])
    values[0, columns // 2 :] = np.nan
    values[-1, 0] = 0.5
    names = [[str(i) for i in range(n)] for n in (rows, columns)]
    panel = swept_values.heat_map(*names, values, ("a", "b"), metric, "").axes[0]
    texts = {text.get_position()[::-1]: text.get_text() for text in panel.texts}
    expected = {
        place: f"{100 * value:.3g}%" if metric == "error" else f"{value:.3g}"
        for place, value in np.ndenumerate(values)
        if np.isfinite(value)
    }
    assert texts == expected
    known = values[np.isfinite(values)]
    logarithmic = known.max() / known.min() >= 30
    assert isinstance(panel.images[0].norm, LogNorm) == logarithmic


def test_errors_are_drawn_in_percent() -> None:
    rows = [{"epoch": i, "error/train": v, "error/validation": v} for i, v in ((1, 0.5), (2, 0.25))]
    drawn = [
        epoch_curves.error_curves([("a", rows)], "error", 2),
        epoch_curves.seed_bands([("a", bands(0.5, 0.25))], "error", ""),
        swept_values.metric_against({"": {"train": [(1, 0.5, np.nan)]}}, "key", "error"),
    ]
    for figure in drawn:
        assert figure.axes[0].yaxis.get_major_formatter()(0.125) == "12.5%"


def test_the_test_value_of_the_chosen_job_is_a_star() -> None:
    lines = {
        "validation": [(1.0, 20.0, np.nan), (10.0, 30.0, np.nan), (100.0, 15.0, np.nan)],
        "test": [(10.0, 29.0, np.nan)],
    }
    figure = swept_values.metric_against({"": lines}, "encoding.sigma", "psnr")
    [panel], [legend] = figure.axes, figure.legends
    stars = [line.get_xydata().tolist() for line in panel.lines if line.get_marker() == "*"]
    assert stars == [[[10, 29]]]
    assert panel.get_xscale() == "log"
    assert panel.get_ylabel() == "psnr (dB)"
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["validation: best epoch", "test: only of the chosen job"]


def test_bands_are_drawn_in_order_of_the_axis() -> None:
    points = [(100.0, 0.3, 0.1), (10.0, 0.5, 0.1), (1000.0, 0.2, 0.1)]
    figure = swept_values.metric_against(
        {"": {"validation": points}}, "data.train_size", "error", None
    )
    [band] = figure.axes[0].collections
    corners = band.get_paths()[0].vertices
    assert list(dict.fromkeys(corners[:, 0])) == [10, 100, 1000]


def test_seed_bands_show_the_number_of_remaining_runs() -> None:
    curve = np.array([[1, 2, 3], [3.0, 2.0, 1.0], [0.5, 0.5, np.nan], [3, 2, 1]])
    figure = epoch_curves.seed_bands([("a", {"train": curve, "validation": curve})], "loss", "")
    *means, first, second = figure.axes
    assert [line.get_xydata().tolist() for line in means[1].lines] == [[[1, 3], [2, 2], [3, 1]]]
    for panel in (first, second):
        assert [line.get_xydata().tolist() for line in panel.lines] == [[[1, 3], [2, 2], [3, 1]]]
        assert panel.get_ylim()[0] == 0 < 3 < panel.get_ylim()[1]
    assert first.get_ylabel() == "runs"
    assert "number of remaining runs" in figure.get_suptitle()
    assert_all_inside(epoch_curves.seed_bands([("a", bands(1.0, 2.0))], "loss", ""))
    assert len(epoch_curves.seed_bands([("a", bands(1.0, 2.0))], "loss", "").axes) == 2


def test_single_runs_are_small_multiples() -> None:
    runs = [np.array([[1, 2], [3.0, 0.5]]), np.array([[1], [4.0]])]
    mean = np.array([[1, 2], [3.5, 0.5]])
    groups = [(f"{LONG}{i}", runs, mean) for i in range(5)]
    figure = epoch_curves.seed_curves(groups, "loss")
    panels = [panel for panel in figure.axes if panel.lines]
    assert len(panels) == len(groups)
    for panel in panels:
        shown = [line.get_xydata().T.tolist() for line in panel.lines]
        assert shown == [curve.tolist() for curve in (*runs, mean)]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["a run", "mean of remaining runs"]


def test_categories_are_not_connected_and_single_runs_are_dots() -> None:
    points = [
        swept_values.Point("adam", 2.0, 1.0, [1.0, 3.0]),
        swept_values.Point("sgd", 4.0, 9.0, [3.0, 5.0]),
    ]
    figure = swept_values.metric_against({"": {"validation": points}}, "optimizer", "loss")
    [panel] = figure.axes
    assert all(line.get_linestyle() == "None" for line in panel.lines)
    dots = [line.get_xydata().tolist() for line in panel.lines if line.get_marker() == "."]
    assert dots == [[[0, 1], [0, 3]], [[1, 3], [1, 5]]]
    [bars] = panel.containers
    ends = [segment[:, 1].tolist() for segment in bars[2][0].get_segments()]
    assert ends == [[1, 3], [0, 13]], "a loss is not below 0"
    notes = "dots: single runs; mean ± sd over repeated runs"
    assert figure.get_suptitle() == f"loss against optimizer\n{notes}"
