"""Jobs that train as a stack, compared with the same jobs trained one by one."""

from typing import Any

import pytest
import torch
from helpers import assert_same_runs
from stacked_jobs import MakeJobs, assert_stack_equals_single_runs, train_as_stack, train_singly

from mlp_lab.storage.run_folder import RunFolder
from mlp_lab.tasks.autograd_training import AutogradTraining

OPTIMIZERS = {
    "sgd": ["lr=0.01", "lr=0.3 weight_decay=1e-3", "lr=0.1"],
    "momentum": ["lr=0.01", "lr=0.05 momentum=0.5", "lr=0.02 weight_decay=1e-3"],
    "nesterov": ["lr=0.01", "lr=0.05 momentum=0.5", "lr=0.02"],
    "adam": ["lr=1e-3", "lr=3e-3 betas=[0.8,0.99]", "lr=1e-3 weight_decay=1e-3 eps=1e-6"],
    "adamw": ["lr=1e-3", "lr=3e-3 weight_decay=0.1", "lr=2e-3 betas=[0.8,0.99]"],
    "nadam": ["lr=1e-3", "lr=3e-3", "lr=2e-3"],
    "rmsprop": ["lr=1e-3", "lr=3e-4", "lr=1e-3 momentum=0.5"],
    "adagrad": ["lr=1e-2", "lr=3e-3", "lr=1e-3"],
}


# In the default suite, test_closed_form_training.py stacks gradient descent and Nadam.
SLOW = ("sgd", "nesterov", "adamw", "nadam")


@pytest.mark.parametrize(
    "optimizer",
    [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in OPTIMIZERS],
)
def test_a_stack_gives_the_results_of_single_runs(optimizer: str, make_jobs: MakeJobs) -> None:
    job_overrides = [
        [
            f"network.dropout={0.1 + 0.2 * i}",
            *(f"optimizer.{setting}" for setting in settings.split()),
        ]
        for i, settings in enumerate(OPTIMIZERS[optimizer])
    ]
    common = [f"optimizer={optimizer}", "schedule=cosine", "trainer.log_every_n_steps=20"]
    assert_stack_equals_single_runs(
        make_jobs, *job_overrides, common=[*common, "network.depth=2", "network.width=16"]
    )


@pytest.mark.parametrize(
    "seeds", [pytest.param((1, 2, 2), marks=pytest.mark.slow), (1, 1, 2, 2)], ids=str
)
def test_microbatches_in_a_stack(
    seeds: tuple[int, ...], make_jobs: MakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = set()
    original = AutogradTraining._differentiate_microbatch

    def watched(self: AutogradTraining, x: torch.Tensor, *others: Any) -> Any:
        sizes.add(x.shape[1])
        return original(self, x, *others)

    monkeypatch.setattr(AutogradTraining, "_differentiate_microbatch", watched)
    for module in ("chunked_training", "autograd_training"):
        monkeypatch.setattr(f"mlp_lab.tasks.{module}.microbatch_size", lambda *_: 14)
    job_overrides = [[f"seed={s}", f"task.label_smoothing={0.1 * i}"] for i, s in enumerate(seeds)]
    # With microbatches, two layers of dropout draw in another order than with whole minibatches.
    common = ["network.depth=2", "network.dropout=0.2", "optimizer=adam", "gradients=autograd"]
    assert_stack_equals_single_runs(
        make_jobs, *job_overrides, common=[*common, "trainer.log_every_n_steps=20"]
    )
    assert sizes == {10, 11}  # three microbatches of 32


@pytest.mark.parametrize(
    ("normalization", "seeds"),
    [
        ("none", (1, 1, 2, 2)),
        ("batch", (1, 2, 3)),
        ("batch", (2, 1, 2, 1)),
        ("layer", (1, 2, 2)),
        *(
            pytest.param(*variant, marks=pytest.mark.slow)
            for variant in [
                ("none", (1, 2, 3)), ("none", (2, 1, 2, 1)), ("none", (1, 2, 2)),
                ("batch", (1, 1, 2, 2)), ("batch", (1, 2, 2)),
                ("layer", (1, 2, 3)), ("layer", (1, 1, 2, 2)), ("layer", (2, 1, 2, 1)),
            ]
        ),
    ],
)  # fmt: skip
def test_members_with_equal_or_different_seeds(
    normalization: str, seeds: tuple[int, ...], make_jobs: MakeJobs
) -> None:
    job_overrides = [[f"seed={s}", f"optimizer.lr={0.02 * (i + 1)}"] for i, s in enumerate(seeds)]
    common = [
        f"network.normalization={normalization}",
        "network.dropout=0.2",
        "trainer.precision=64-true",
    ]
    assert_stack_equals_single_runs(
        make_jobs, *job_overrides, common=[*common, "optimizer=momentum", "network.width=12"]
    )


@pytest.mark.parametrize(
    ("algorithm", "gradients"),
    [
        ("norm", "autograd"),
        ("value", "closed_form"),
        pytest.param("norm", "closed_form", marks=pytest.mark.slow),
        pytest.param("value", "autograd", marks=pytest.mark.slow),
    ],
)
def test_gradients_of_each_member_are_clipped(
    algorithm: str, gradients: str, make_jobs: MakeJobs
) -> None:
    clip_val = {"norm": 0.5, "value": 0.01}[algorithm]
    common = [f"trainer.gradient_clip_val={clip_val}", f"gradients={gradients}"]
    common += [f"trainer.gradient_clip_algorithm={algorithm}", "optimizer=momentum"]
    job_overrides = [["seed=1"], ["seed=2", "optimizer.lr=0.1"], ["seed=2", "network.gain=3"]]
    assert_stack_equals_single_runs(make_jobs, *job_overrides, common=common)


def test_members_may_differ_in_activation_optimizer_and_schedule(make_jobs: MakeJobs) -> None:
    job_overrides = [
        ["network.activation=relu", "optimizer=adam", "schedule=one_cycle", "network.dropout=0.1"],
        ["network.activation=tanh", "optimizer=sgd", "schedule=step", "network.dropout=0.2"],
        [
            "network.activation=silu",
            "optimizer=rmsprop",
            "select.metric=error",
            "network.dropout=0.3",
        ],
    ]
    common = ["trainer.max_steps=120", "trainer.check_val_every_n_epoch=2", "trainer.max_epochs=4"]
    assert_stack_equals_single_runs(
        make_jobs, *job_overrides, common=[*common, "trainer.precision=64-true"]
    )


COOLDOWN = "augmentation.cooldown=0.7"


def test_members_with_equal_or_different_augmentations(make_jobs: MakeJobs) -> None:
    job_overrides = [
        ["augmentation=affine", "seed=1", "optimizer.lr=0.05"],
        ["augmentation=affine_elastic", "seed=1"],
        ["augmentation=none", "seed=1"],
        ["augmentation=affine", "seed=2"],
        ["augmentation=affine", "seed=1"],
        ["augmentation=affine", "augmentation.weak_classes=[1,7]", "seed=2"],
    ]
    common = ["network.width=12", "trainer.precision=64-true", "trainer.max_epochs=2"]
    assert_stack_equals_single_runs(make_jobs, *job_overrides, common=common)
    job_overrides = [
        [*overrides, f"optimizer.lr={lr}"] for overrides in ([], [COOLDOWN]) for lr in (0.05, 0.1)
    ]
    common = ["augmentation=elastic", "network.dropout=0.2", "trainer.precision=64-true"]
    assert_same_runs(
        train_singly(make_jobs("apart_2", *job_overrides, common=common)),
        train_as_stack(make_jobs("stacked_2", *job_overrides, common=common)),
    )


def test_members_have_different_label_smoothing(make_jobs: MakeJobs) -> None:
    job_overrides = [["task.label_smoothing=0.1"], ["seed=2"], ["task.label_smoothing=0.3"]]
    common = ["trainer.precision=64-true", "trainer.max_epochs=2", "network.width=12"]
    assert_stack_equals_single_runs(make_jobs, *job_overrides, common=common)


def test_residual_links_in_a_stack(make_jobs: MakeJobs) -> None:
    job_overrides = [["seed=1"], ["network.dropout=0.3", "seed=1"], ["network.activation=tanh"]]
    common = ["network.residual=true", "network.widths=[12,12,8,8,8]", "network.dropout=0.1"]
    common += ["network.normalization=batch", "trainer.precision=64-true", "optimizer=momentum"]
    assert_stack_equals_single_runs(
        make_jobs, *job_overrides, common=[*common, "trainer.max_epochs=2"]
    )


def test_members_have_different_weight_averages(make_jobs: MakeJobs) -> None:
    job_overrides = [["average_decay=0.9", "optimizer.lr=1e-7"], ["average_decay=0.5"]]
    job_overrides += [["seed=2", "train_metrics=after"]]
    common = ["network.normalization=batch", "network.dropout=0.1", "trainer.precision=64-true"]
    common += ["callbacks=early_stopping", "callbacks.early_stopping.patience=1"]
    common += ["callbacks.early_stopping.min_delta=1e-3", "average_decay=0.97", "network.width=12"]
    singles = train_singly(make_jobs("apart", *job_overrides, common=common))
    assert_same_runs(singles, train_as_stack(make_jobs("stacked", *job_overrides, common=common)))
    assert singles[0].epochs < singles[1].epochs, "none leaves the others"


def test_members_stop_early_at_different_epochs(make_jobs: MakeJobs) -> None:
    job_overrides = [["optimizer.lr=1e-7"], ["optimizer.lr=0.1"], ["optimizer.lr=2"]]
    common = ["callbacks=early_stopping", "callbacks.early_stopping.patience=1"]
    common += ["callbacks.early_stopping.min_delta=1e-3", "trainer.max_epochs=8"]
    singles = train_singly(make_jobs("apart", *job_overrides, common=common))
    stacked = train_as_stack(make_jobs("stacked", *job_overrides, common=common))
    assert_same_runs(singles, stacked)
    assert stacked[0].epochs == 2
    assert stacked[0].reason == "stopped early: loss/validation has not improved in 1 validation"
    assert stacked[1].epochs > 2


@pytest.mark.parametrize("augmentation", ["none", "affine"])
def test_full_batch_training_in_a_stack(augmentation: str, make_jobs: MakeJobs) -> None:
    job_overrides = [["seed=1"], ["seed=1", "optimizer.lr=0.3"], ["seed=2"], ["seed=3"]]
    common = ["data.batch_size=480", "network.dropout=0.2", f"augmentation={augmentation}"]
    assert_stack_equals_single_runs(make_jobs, *job_overrides, common=common)


@pytest.mark.parametrize(
    "optimizer",
    [
        "optimizer=sgd",
        pytest.param("optimizer=momentum", marks=pytest.mark.slow),
        "optimizer=adamw",
    ],
)
def test_stacks_in_bfloat16(optimizer: str, make_jobs: MakeJobs) -> None:
    common = ["trainer.precision=bf16-true", "trainer.max_epochs=1", optimizer]
    singles = train_singly(
        make_jobs("apart", ["optimizer.lr=0.1"], ["optimizer.lr=0.01"], common=common)
    )
    both = train_as_stack(
        make_jobs("both", ["optimizer.lr=0.1"], ["optimizer.lr=0.01"], common=common)
    )
    for one, other in zip(singles, both, strict=True):
        first, second = (RunFolder(result.folder).history[0] for result in (one, other))
        assert first["loss/train"] == pytest.approx(second["loss/train"], rel=0.05)


def test_a_checkpoint_of_a_stack_holds_one_network(make_jobs: MakeJobs) -> None:
    results = train_as_stack(make_jobs("sweep", ["seed=1"], ["seed=2"], ["seed=3"]))
    single = train_singly(make_jobs("apart", ["seed=1"]))
    sizes = [
        RunFolder(r.folder).checkpoints.existing("best").stat().st_size for r in (*results, *single)
    ]
    assert max(sizes) < 1.01 * min(sizes)
