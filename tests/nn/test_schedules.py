import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from mlp_lab.nn.schedules import (
    Constant,
    Cooldown,
    Cosine,
    Exponential,
    InverseTime,
    MultiStep,
    OneCycle,
    Step,
)


def torchs(make, steps: int) -> list[float]:
    """Return the learning rates of ``steps`` steps of a torch scheduler that starts at 1.0."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_constant():
    assert [Constant()(epoch, 3) for epoch in (0, 0.5, 2.9)] == [1, 1, 1]


def test_inverse_time_is_a_tenth_by_t():
    # In the t-th epoch, from its first step to its last: 0.1, 0.1/2, 0.1/3 ...
    for t in range(1, 8):
        for within in (0, 0.5, 0.999):
            assert 0.1 * InverseTime()(t - 1 + within, 8) == pytest.approx(0.1 / t)


@pytest.mark.parametrize("step_size", [1, 3, 7])
@pytest.mark.parametrize("gamma", [0.1, 0.5, 1.0])
def test_step_equals_torchs_schedule(step_size, gamma):
    expected = torchs(lambda o: lr_scheduler.StepLR(o, step_size, gamma), 20)
    schedule = Step(step_size, gamma)
    assert [schedule(epoch, 20) for epoch in range(20)] == pytest.approx(expected)
    assert [schedule(epoch + 0.9, 20) for epoch in range(20)] == pytest.approx(expected)


def test_exponential_equals_the_papers_decay():
    # 0.1^(step / 5,000) in 10,000 steps of 20 epochs (Tancik et al. 2020, 3D shapes).
    for step in (0, 1, 5_000, 9_999):
        assert Exponential(0.01)(step / 500, 20) == pytest.approx(0.1 ** (step / 5_000))


@pytest.mark.parametrize("milestones", [[1], [3, 4, 9], [30]])
def test_multi_step_equals_torchs_schedule(milestones):
    expected = torchs(lambda o: lr_scheduler.MultiStepLR(o, milestones, 0.3), 20)
    schedule = MultiStep(milestones, 0.3)
    assert [schedule(epoch, 20) for epoch in range(20)] == pytest.approx(expected)
    assert [schedule(epoch + 0.9, 20) for epoch in range(20)] == pytest.approx(expected)


@pytest.mark.parametrize(("epochs", "per_epoch"), [(1, 10), (5, 8), (7, 1)])
def test_cosine_equals_torchs_schedule(epochs, per_epoch):
    steps = epochs * per_epoch
    expected = torchs(lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=steps), steps)
    schedule = Cosine(warmup=0.0)
    ours = [schedule(step / per_epoch, epochs) for step in range(steps)]
    assert ours == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("warmup", "epochs"), [(2, 10), (0.5, 3), (4, 4)])
def test_cosine_after_a_linear_warm_up(warmup, epochs):
    schedule, per_epoch = Cosine(warmup), 20
    rising = round(warmup * per_epoch)
    ours = [schedule(step / per_epoch, epochs) for step in range(epochs * per_epoch)]
    assert ours[:rising] == pytest.approx([step / rising for step in range(rising)])
    rest = epochs * per_epoch - rising
    if rest:
        expected = torchs(lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=rest), rest)
        assert ours[rising:] == pytest.approx(expected, abs=1e-9)
    assert schedule(warmup, epochs) == 1


@pytest.mark.parametrize("pct_start", [0.2, 0.3, 0.75])
@pytest.mark.parametrize(("div", "final_div"), [(25.0, 1e4), (4.0, 1.0)])
def test_one_cycle_equals_torchs_schedule(pct_start, div, final_div):
    steps = 200
    expected = torchs(
        lambda o: lr_scheduler.OneCycleLR(
            o, 1.0, steps, pct_start=pct_start, div_factor=div, final_div_factor=final_div,
            cycle_momentum=False,
        ),
        steps - 1,
    )  # fmt: skip
    schedule, peak = OneCycle(pct_start, div, final_div), pct_start * steps - 1
    # torch's curve reaches its peak, and its end, one step before the part of the steps is over.
    ours = [
        schedule(pct_start * step / peak if step < peak else (step + 1) / steps, 1.0)
        for step in range(steps - 1)
    ]
    assert ours == pytest.approx(expected, abs=1e-12)


def test_one_cycle_rises_to_the_peak_and_falls_to_the_last_rate():
    schedule = OneCycle(0.3, 25.0, 1e4)
    assert [schedule(e, 10) for e in (0, 3, 10)] == pytest.approx([1 / 25, 1, 1 / 25e4])
    assert OneCycle(0.0, 25.0, 1e4)(0, 10) == 1
    assert OneCycle(1.0, 25.0, 1e4)(10, 10) == 1


@given(st.floats(0, 1, exclude_min=True), st.floats(0, 1), st.integers(1, 1_000))
def test_cooldown_is_piecewise_linear(part, done, epochs):
    expected = np.interp(done, [0, 1 - part, 1], [1, 1, 0])
    assert Cooldown(part)(done * epochs, epochs) == pytest.approx(expected, abs=1e-9 / part)


def test_cooldown_of_zero_length_is_constant():
    assert [Cooldown(0)(epoch, 3) for epoch in (0, 2.9, 3)] == [1, 1, 1]


above_one = st.floats(1, 1e6)
schedules = st.one_of(
    st.just(Constant()),
    st.just(InverseTime()),
    st.builds(Step, st.integers(1, 100), st.floats(0, 1, exclude_min=True)),
    st.builds(MultiStep, st.lists(st.integers(1, 100)), st.floats(0, 1, exclude_min=True)),
    st.builds(Cosine, st.floats(0, 2_000)),
    st.builds(Cooldown, st.floats(0, 1)),
    st.builds(OneCycle, st.floats(0, 1), above_one, above_one),
)


@given(schedules, st.floats(1e-3, 1_000), st.floats(0, 1))
def test_factors_lie_between_0_and_1(schedule, epochs, part):
    factor = schedule(part * epochs, epochs)
    assert 0 <= factor <= 1
    assert not math.isnan(factor)
