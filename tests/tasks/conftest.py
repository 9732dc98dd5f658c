"""Fixtures of the tests of tasks."""

import pytest
from helpers import composed

from mlp_lab.runs.train import train
from mlp_lab.storage.results import Result


@pytest.fixture(scope="module")
def trained(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, drawn_figures: None
) -> Result:
    """Return the result of a run with all figures, of the overrides ``TINY`` of the test module."""
    folder = tmp_path_factory.mktemp("logs")
    return train(composed(*request.module.TINY, f"logs='{folder}'"))
