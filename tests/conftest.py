"""Settings of the test suite. The fixtures are in shared_fixtures.py."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is loaded, hence before all imports

import gc
from collections import Counter

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Load the fixtures where tests run: their imports would delay the start of the workers."""
    if hasattr(config, "workerinput") or config.option.dist == "no":
        config.pluginmanager.import_plugin("shared_fixtures")


def pytest_collection_finish() -> None:
    """Spend less time on garbage collection: modules stay, and tests leave little garbage."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the number of cases of each kind that passed, for ``pytest -m faults``."""
    counts: Counter[str] = Counter()
    for report in terminalreporter.stats.get("passed", ()):
        for name, value in report.user_properties:
            if name == "faults":
                counts[value[0]] += value[1]
    selected = terminalreporter.config.option.markexpr
    if "faults" in selected and "not faults" not in selected:
        terminalreporter.section("passed cases")
        for kind, count in counts.items():
            terminalreporter.line(f"{count:6,} {kind}")
