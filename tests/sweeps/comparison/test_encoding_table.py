"""Sweeps over encodings of coordinates: the paper's table, its tests, and the image figure."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from helpers import single_spaced, start_sweep
from omegaconf import OmegaConf
from PIL import Image as Pillow

from mlp_lab.runs import evaluate
from mlp_lab.storage.results import Evaluation, Result, Status
from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.sweeps.comparison import encoding_table, reconstructions, summary
from mlp_lab.sweeps.comparison.answer import conclude
from mlp_lab.sweeps.comparison.comparison import Comparison, find_runs
from mlp_lab.sweeps.comparison.figures import image_rows

TINY = ["data.size=16", "data.passes=2", "trainer.max_epochs=2", "network.width=4",
        "trainer.accelerator=cpu", "logger=none"]  # fmt: skip


@pytest.fixture
def tested(compose: Callable, tmp_path: Path) -> Callable[..., Comparison]:
    """``tested([(overrides, PSNR on test data, or None: that job failed), ...])``."""

    composed = cache(compose)  # which takes a tenth of a second

    def make(
        jobs: list[tuple[list[str], float | None]],
        test: str = "last",
        experiment: str = "image_tancik",
        metric: str = "psnr",
    ) -> Comparison:
        for overrides, psnr in jobs:
            run = RunFolder.create(str(tmp_path), "image_tancik")
            choices = [override for override in overrides if override.startswith("encoding=")]
            plain = OmegaConf.to_container(composed(f"experiment={experiment}", *choices))
            values = [override for override in overrides if override not in choices]
            made = OmegaConf.merge(plain, OmegaConf.from_dotlist([f"sweep.test={test}", *values]))
            run.write_start(made, overrides)
            rows = [{"epoch": epoch, "loss/validation": 1.0 + epoch} for epoch in (1, 2)]
            run.write_history(["epoch", "loss/validation"], rows)
            # The PSNR of the best epoch on validation data differs.
            entries = [Evaluation("test", "best", 1, {metric: 99.0})]
            if psnr is not None:
                entries.append(Evaluation("test", "last", 2, {metric: psnr}))
            status = Status.FAILED if psnr is None else Status.FINISHED
            run.write_result(Result(str(run.folder), status, evaluations=entries))
        return Comparison(find_runs([str(tmp_path)]))

    return make


def test_the_table_equals_plain_numpy(tested: Callable) -> None:
    random = np.random.default_rng(0)
    psnr = {name: random.uniform(10, 30, (3, 2)) for name in ("identity", "gaussian")}
    comparison = tested(
        [
            ([f"encoding={name}", f"data.image={image}", f"seed={seed}"], float(psnrs[row, seed]))
            for name, psnrs in psnr.items()
            for row, image in enumerate(("coffee", "cat", "rocket"))
            for seed in (0, 1)
        ]
    )
    [(header, [row, noise, published])] = encoding_table.tables(comparison)
    assert header[1:] == ["objects", "seeds", "identity", "basic", "positional", "gaussian"]
    assert row[:3] == ["natural", "3", "2"]
    for name, psnrs in psnr.items():
        means = psnrs.mean(1)
        assert row[header.index(name)] == f"{means.mean():.2f} ± {means.std(ddof=1):.2f}"
        assert noise[header.index(name)] == f"{np.sqrt(psnrs.var(1, ddof=1).mean()):.2f}"
    assert row[4] == noise[5] == "-"
    assert published == [
        "natural, Tancik et al. 2020",
        "-",
        "-",
        "19.32",
        "21.71",
        "24.95",
        "25.57",
    ]
    assert "| natural | 3 | 2 |" in single_spaced(summary.as_markdown(comparison))


def test_means_are_over_images_common_to_all_mappings(tested: Callable) -> None:
    text = [f"data.image=text data.text_seed={n}".split() for n in range(2)]
    comparison = tested(
        [
            (["encoding=identity", *text[0]], 10.0),
            (["encoding=identity", *text[1]], 20.0),
            (["encoding=gaussian_text", *text[0]], 30.0),
            (["encoding=gaussian_text", *text[1]], None),
        ]
    )
    [(_, [row, published])] = encoding_table.tables(comparison)
    assert row == ["text", "1", "1", "10.00", "-", "-", "30.00"]
    assert published[3:] == ["18.40", "20.48", "27.57", "30.47"]


def test_further_settings_are_not_taken_for_seeds(tested: Callable) -> None:
    rates = {"identity": [1e-2], "gaussian": [1e-3, 1e-2]}
    jobs = [
        ([f"encoding={name}", "data.image=coffee", f"optimizer.lr={rate}"], 20.0)
        for name, values in rates.items()
        for rate in values
    ]
    assert encoding_table.tables(tested(jobs)) == []


def test_interpolations_are_columns_of_images(tested: Callable, tmp_path: Path) -> None:
    psnr = {"coffee": 31.0, "cat": 34.0}
    jobs = [
        ([f"encoding={name}", f"data.image={image}"], 20.0)
        for name in ("identity", "gaussian")
        for image in psnr
    ]
    tested(jobs)
    for run in find_runs([str(tmp_path)]):
        [*others, test] = run.result.evaluations
        added = {"psnr_bicubic": psnr[run.config.data.image]}
        entries = [*others, replace(test, metrics={**test.metrics, **added})]
        run.write_result(replace(run.result, evaluations=entries))
    [(header, [row, published])] = encoding_table.tables(Comparison(find_runs([str(tmp_path)])))
    assert header[-2:] == ["gaussian", "bicubic"]
    assert row[-2:] == ["20.00 ± 0.00", "32.50 ± 2.12"]
    assert published[-2:] == ["25.57", "-"]


def test_phantoms_are_the_images_of_computed_tomography(tested: Callable) -> None:
    psnr = {"identity": (15.0, 17.0), "gaussian_ct": (27.0, 30.0), "pixel_grid": (24.0, 25.0)}
    jobs = [
        ([f"encoding={name}", f"data.phantom={phantom}"], value)
        for name, values in psnr.items()
        for phantom, value in enumerate(values)
    ]
    [(header, [row, published])] = encoding_table.tables(tested(jobs, experiment="ct"))
    assert header[3:] == ["identity", "basic", "positional", "gaussian", "grid"]
    assert row == ["ct", "2", "1", "16.00 ± 1.41", "-", "-", "28.50 ± 2.12", "24.50 ± 0.71"]
    assert published[3:] == ["16.75", "23.31", "26.89", "28.33", "24.99"]


def test_volumes_are_the_objects_of_magnetic_resonance_imaging(tested: Callable) -> None:
    psnr = {"identity": (25.0, 27.0), "gaussian_mri": (33.0, 36.0)}
    jobs = [
        ([f"encoding={name}", f"data.volume={volume}"], value)
        for name, values in psnr.items()
        for volume, value in zip(("shepp_logan", "mni152"), values, strict=True)
    ]
    [(_, [row, published])] = encoding_table.tables(tested(jobs, experiment="mri"))
    assert row == ["mri", "2", "1", "26.00 ± 1.41", "-", "-", "34.50 ± 2.12"]
    assert published[3:] == ["26.14", "28.58", "32.23", "34.51"]


def test_solids_have_a_table_of_overlaps(tested: Callable) -> None:
    values = {"centred": (0.81, 0.83), "gaussian_shape": (0.95, 0.97)}
    metrics = [
        ([f"encoding={name}", f"data.solid={solid}"], value)
        for name, pair in values.items()
        for solid, value in zip(("gyroid", "torus_knot"), pair, strict=True)
    ]
    comparison = tested(metrics, experiment="shape", metric="iou_near_surface")
    [(header, [row, published])] = encoding_table.tables(comparison)
    assert header[:3] == ["test IoU near the surface", "objects", "seeds"]
    assert row == ["shape", "2", "1", "0.820 ± 0.014", "-", "-", "0.960 ± 0.014"]
    assert published[3:] == ["0.864", "0.892", "0.960", "0.973"]


@pytest.mark.parametrize(
    ("common", "test"), [(["data.protocol=fit"], "last"), ([], "chosen")]
)  # fmt: skip
def test_other_sweeps_have_no_table(common: list[str], test: str, tested: Callable) -> None:
    jobs = [([f"encoding={name}", *common], 1.0) for name in ("identity", "gaussian")]
    assert encoding_table.tables(tested(jobs, test)) == []


def test_all_jobs_are_tested_when_none_is_chosen(
    tested: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    comparison = tested([([f"seed={seed}"], psnr) for seed, psnr in enumerate((1.0, 2.0, None))])
    assert comparison.chosen is None
    jobs = sorted(comparison.jobs, key=lambda job: job.settings["seed"])
    for job in jobs[1:]:  # remove the tests; that of a failed job is not repeated
        result = job.run.result
        job.run.write_result(replace(result, evaluations=result.evaluations[:1]))
    asked = []

    def measure(run: RunFolder, split: str, which: str) -> None:
        asked.append((run.folder, split, which))
        run.add_evaluation(Evaluation(split, which, 2, {"psnr": 3.0}))

    monkeypatch.setattr(evaluate, "measure", measure)
    texts = [conclude(str(tmp_path)).text for _ in range(2)]
    assert asked == [(jobs[1].run.folder, "test", "last")]
    assert texts[0] == texts[1]
    assert "no run is chosen (sweep.test=last): the last epoch of each job counts" in texts[0]
    assert "the test set was evaluated for 2 of 2 finished jobs" in texts[0]
    assert "run it again" not in texts[0]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "summary.csv").read_text())))
    assert {row["seed"]: row["psnr/test"] for row in rows} == {"0": "1.0", "1": "3.0", "2": ""}


@pytest.mark.parametrize(
    "sweep", ["tancik_photographs", pytest.param("tancik_text", marks=pytest.mark.slow)]
)
def test_the_papers_sweeps_write_its_table(
    sweep: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    few = "data.text_seed=3" if sweep == "tancik_text" else "data.image=coffee"
    overrides = ["experiment=image_tancik", f"sweep={sweep}", few, "seed=0", f"logs='{tmp_path}'"]
    assert start_sweep([*overrides, *TINY, "callbacks=none"])
    out = capsys.readouterr().out
    assert "for 4 of 4 finished jobs" in out
    jobs = Comparison(find_runs([str(tmp_path)])).jobs
    of_paper = {
        "tancik_photographs": (10, 6, [1e-2, 1e-2, 1e-3, 1e-3], None),
        "tancik_text": (14, 5, [1e-3] * 4, "mean"),
    }
    sigma, scale, rates, output_bias = of_paper[sweep]
    configs = [job.run.config for job in sorted(jobs, key=lambda job: job.run.folder.name)]
    assert [cfg.optimizer.lr for cfg in configs] == rates
    assert {cfg.task.output_bias for cfg in configs} == {output_bias}
    assert {cfg.task.output for cfg in configs} == {"sigmoid"}
    assert (configs[2].encoding.scale, configs[3].encoding.sigma) == (scale, sigma)
    for job in jobs:
        assert job.last_test is not None
        assert job.last_test.epoch == 2


@pytest.mark.slow
def test_the_sweep_of_computed_tomography_writes_the_papers_table(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    overrides = ["experiment=ct", "sweep=ct_encodings", "data.phantom=5", f"logs='{tmp_path}'"]
    assert start_sweep([*overrides, *TINY, "callbacks=none"])
    assert "| ct | 1 | 1 |" in single_spaced(next(tmp_path.rglob("summary.md")).read_text())
    jobs = Comparison(find_runs([str(tmp_path)])).jobs
    configs = [job.run.config for job in sorted(jobs, key=lambda job: job.run.folder.name)]
    assert [cfg.optimizer.lr for cfg in configs] == [1e-2, 1e-2, 1e-3, 1e-3, 0.1]
    assert (configs[2].encoding.scale, configs[3].encoding.sigma) == (3, 4)
    assert (configs[4].encoding.finest, configs[4].network.depth) == (16, 0)


@pytest.mark.slow
def test_the_sweep_of_volumes_writes_the_papers_table(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    overrides = ["experiment=mri", "sweep=mri_encodings", "data.phantom=5", f"logs='{tmp_path}'"]
    assert start_sweep([*overrides, "data.size=8", *TINY[1:], "callbacks=none"])
    text = single_spaced(next(tmp_path.rglob("summary.md")).read_text())
    assert "| mri | 1 | 1 |" in text
    assert "| mri, Tancik et al. 2020 | - | - | 26.14 |" in text


def test_the_sweep_of_solids_writes_the_papers_table_and_trains_seeds_as_a_stack(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    overrides = ["experiment=shape", "sweep=shape_encodings", "data.solid=gyroid", "seed=0,1"]
    overrides += ["encoding=centred,gaussian_shape_short"]
    tiny = [
        "data.passes=2",
        "data.batch_size=50",
        "data.evaluation_size=50",
        "trainer.max_epochs=2",
    ]
    tiny += ["network.width=4", "trainer.accelerator=cpu", "logger=none", "callbacks=none"]
    assert start_sweep([*overrides, *tiny, "hydra.launcher.processes=1", f"logs='{tmp_path}'"])
    out = capsys.readouterr().out
    assert out.count("2 jobs train as one network") == 1  # each seed has other random frequencies
    text = single_spaced(next(tmp_path.rglob("summary.md")).read_text())
    assert "| shape | 1 | 2 |" in text
    assert "| shape, Tancik et al. 2020 | - | - | 0.864 |" in text


@pytest.mark.slow
def test_the_sweep_of_scenes_writes_the_papers_table(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    tiny = ["data.views=2", "data.held_out_views=1", "data.samples=4", "data.batch_size=20"]
    overrides = ["experiment=nerf", "sweep=nerf_encodings", *tiny, f"logs='{tmp_path}'"]
    assert start_sweep([*overrides, "data.size=8", *TINY[1:], "callbacks=none"])
    text = single_spaced(next(tmp_path.rglob("summary.md")).read_text())
    assert "| nerf | 1 | 1 |" in text
    assert "| nerf, Tancik et al. 2020 | - | - | 22.41 | 23.16 | 26.27 | 25.48 |" in text
    jobs = Comparison(find_runs([str(tmp_path)])).jobs
    configs = [job.run.config for job in sorted(jobs, key=lambda job: job.run.folder.name)]
    assert [cfg.optimizer.lr for cfg in configs] == [1e-2, 5e-3, 1e-3, 1e-3]


def test_the_homeworks_images_are_drawn_side_by_side(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    overrides = ["experiment=image_hw", "sweep=raw_and_encoded", "data.image=text"]
    assert start_sweep([*overrides, *TINY, "callbacks.loss_curves=null", f"logs='{tmp_path}'"])
    capsys.readouterr()
    comparison = Comparison(find_runs([str(tmp_path)]))
    drawn = reconstructions.draw(comparison)["pictures_side_by_side"]()
    truth, *pictures = drawn.axes
    assert truth.get_title() == "truth"
    last = {job.run.table("pictures")[-1]["psnr"]: job for job in comparison.jobs}
    for panel, psnr in zip(pictures, sorted(last), strict=True):
        job = last[psnr]
        assert panel.get_title() == f"{job.label}\n{psnr:.2f} dB"
        with Pillow.open(job.run.picture(2)) as image:
            assert np.array_equal(panel.images[0].get_array(), np.asarray(image))
    with Pillow.open(comparison.jobs[0].run.truth) as image:
        assert np.array_equal(truth.images[0].get_array(), np.asarray(image))
    assert list(tmp_path.rglob("figures/pictures_side_by_side.png"))


def test_a_missing_image_leaves_an_empty_panel() -> None:
    grey, colour = np.zeros((2, 2, 1), np.uint8), np.zeros((3, 3, 3), np.uint8)
    rows = {"a": (grey, [(grey, 1.0), None]), "b": (colour, [(colour, 2.0), (colour, 3.0)])}
    figure = image_rows.side_by_side(rows, ["one", "other"])
    shown = [[len(panel.images), panel.get_title()] for panel in figure.axes]
    assert shown == [
        [1, "truth"],
        [1, "one\n1.00 dB"],
        [0, ""],
        [1, ""],
        [1, "2.00 dB"],
        [1, "3.00 dB"],
    ]


def test_runs_without_images_have_no_image_figure(tested: Callable) -> None:
    assert reconstructions.draw(tested([(["seed=0"], 1.0), (["seed=1"], 1.0)])) == {}
