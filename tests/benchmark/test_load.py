"""Measurements of sweeps with many jobs."""

from mlp_lab.benchmark.load import Sample, _rows


def test_a_part_without_samples_has_no_values() -> None:
    # All jobs of two stacks end at once.
    samples = [Sample(float(n), done, 2**20, 7) for n, done in enumerate([0, 0, 5, 5, 10])]
    rows = [row[1:] for row in _rows(samples, 10)]
    assert rows == [["-"] * 3, ["-"] * 3, ["200", "1", "7"], ["-"] * 3, ["200", "1", "7"]]


def test_rows_are_differences_between_the_parts() -> None:
    # 10 jobs, two per part, a job every 3 s after a start of 4 s; memory and files grow by job.
    samples = [Sample(4.0 + 3.0 * done, done, (100 + done) * 2**20, 7 + done) for done in range(11)]
    samples.append(Sample(100.0, 10, 1, 1))  # when it draws figures
    rows = list(_rows(samples, 10))
    assert rows == [
        [f"{n + 1} to {n + 2}", "3000", str(100 + n + 2), str(7 + n + 2)] for n in range(0, 10, 2)
    ]
