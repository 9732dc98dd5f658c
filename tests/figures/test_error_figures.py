"""Figures of a classifier's errors."""

from collections.abc import Callable

import numpy as np
import pytest

from mlp_lab.figures import confusion, image_grid
from mlp_lab.tasks.diagnostics.class_errors import confusion_counts


def test_confusion_counts_equal_a_loop() -> None:
    random = np.random.default_rng(0)
    targets, predictions = random.integers(0, 7, 500), random.integers(0, 6, 500)
    expected = np.zeros((7, 7), int)
    for target, prediction in zip(targets, predictions, strict=True):
        expected[target, prediction] += 1
    np.testing.assert_array_equal(confusion_counts(targets, predictions, 7), expected)


def test_confusion_matrix_has_true_classes_in_rows() -> None:
    figure = confusion.confusion_matrix(
        np.array([[5, 2, 0], [0, 7, 0], [1, 0, 0]]), ("a", "b", "c")
    )
    [panel] = figure.axes
    cells = {text.get_position(): text.get_text() for text in panel.texts}
    # A position is (x, y): (column, row).
    assert cells == {(0, 0): "5", (1, 0): "2", (1, 1): "7", (0, 2): "1"}
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("predicted class", "true class")
    shown = panel.images[0].get_array()
    assert shown.mask[range(3), range(3)].all(), "the diagonal would drown the errors"
    assert shown[0, 1] > shown[2, 0] > shown[1, 0] == 0


@pytest.mark.parametrize("draw", [confusion.confusion_matrix, confusion.class_errors])
def test_figures_of_many_classes_have_a_bounded_size(draw: Callable) -> None:
    names = [f"class {number}" for number in range(300)]
    figure = draw(np.eye(300, dtype=int), names)
    assert max(figure.get_size_inches()) < 23
    [panel] = figure.axes
    assert not panel.texts


def test_class_errors() -> None:
    counts = np.array([[3, 1, 0], [0, 0, 0], [2, 2, 4]])
    figure = confusion.class_errors(counts, ("a", "b", "c"))
    [panel] = figure.axes
    assert [bar.get_height() for bar in panel.patches] == [0.25, 0, 0.5]
    assert [text.get_text() for text in panel.texts] == ["25.0%", "", "50.0%"]
    assert [label.get_text() for label in panel.get_xticklabels()] == ["a", "b (none)", "c"]
    assert panel.lines[0].get_ydata()[0] == pytest.approx(5 / 12)


@pytest.mark.parametrize("pictures", [1, 10, 11, 35])
def test_examples_show_every_image(pictures: int) -> None:
    images = np.random.default_rng(0).random((pictures, 28, 28))
    captions = [f"number {i}" for i in range(pictures)]
    figure = image_grid.image_grid(images, captions, "title")
    [panel] = figure.axes
    assert figure.get_suptitle() == "title"
    assert [text.get_text() for text in panel.texts] == captions
    boxes = []
    for shown, image, text in zip(panel.images, images, panel.texts, strict=True):
        np.testing.assert_array_equal(shown.get_array(), image)
        left, right, bottom, top = shown.get_extent()
        assert right - left == pytest.approx(bottom - top)  # square, in inches both
        x, y = text.get_position()
        assert left < x < right
        assert bottom < y
        boxes.append((left, top))
    assert len(set(boxes)) == pictures
    assert panel.get_aspect() == 1
    figure.draw_without_rendering()
    assert all(figure.bbox.contains(*text.get_window_extent().min) for text in panel.texts)


def test_the_error_gallery_without_errors_has_a_note() -> None:
    figure = image_grid.image_grid(np.zeros((0, 28, 28)), [], "errors")
    assert [text.get_text() for text in figure.texts] == ["errors", "no examples"]
