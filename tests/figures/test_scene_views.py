"""Figures of views of a scene."""

import numpy as np

from mlp_lab.figures.scene_views import ShownView, held_out_views, orbit_frame


def test_a_row_shows_a_view_its_error_and_its_depth() -> None:
    generator = np.random.default_rng(0)
    views = [
        ShownView(generator.random((4, 6, 3)), generator.random((4, 6, 3)), np.full((4, 6), d), d)
        for d in (3.0, 4.5)
    ]
    figure = held_out_views(views, (2.0, 6.0))
    panels = [panel for panel in figure.axes if panel.images][:8]
    for view, row in zip(views, (panels[:4], panels[4:]), strict=True):
        truth, network, error, depth = (panel.images[0].get_array() for panel in row)
        assert np.array_equal(truth, view.truth)
        assert np.array_equal(network, view.colours)
        np.testing.assert_allclose(error, np.abs(view.truth - view.colours).mean(2))
        assert np.array_equal(depth, view.depths)
        assert row[1].get_title() == f"network, {view.psnr:.2f} dB"
        assert row[3].images[0].get_clim() == (2.0, 6.0)


def test_frames_of_an_orbit_have_one_size_and_their_angle() -> None:
    colours, depths = np.full((4, 4, 3), 1.2), np.full((4, 4), 3.0)
    frames = [orbit_frame(colours, depths, (2.0, 6.0), f"azimuth {a}°") for a in (0, 20)]
    assert [frame.axes[0].get_title() for frame in frames] == ["azimuth 0°", "azimuth 20°"]
    assert frames[0].get_size_inches().tolist() == frames[1].get_size_inches().tolist()
    assert frames[0].axes[0].images[0].get_array().max() == 1  # clipped
