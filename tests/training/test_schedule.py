from pathlib import Path

import pytest

from fcn.config.file import Config
from fcn.config.sections import DataConfig, LossConfig, TrainConfig
from fcn.training.schedule import PolySchedule, build_schedule, describe_summed_loss, mean_loss_learning_rate


def summed(**train: object) -> Config:
    return Config(
        data=DataConfig(root=Path("data")), loss=LossConfig(reduction="sum"), train=TrainConfig(**train)
    )


def test_poly_is_the_published_formula() -> None:
    schedule = PolySchedule(0.5, steps=200, power=0.9, warmup_steps=0)
    for step in (0, 1, 50, 199, 200):
        assert float(schedule(step)) == pytest.approx(0.5 * (1 - step / 200) ** 0.9, rel=1e-5)


def test_warmup_rises_in_a_straight_line() -> None:
    schedule = PolySchedule(1.0, steps=100, power=0.0, warmup_steps=4)
    assert [float(schedule(step)) for step in range(6)] == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1])


@pytest.mark.parametrize(("name", "half"), [("constant", 0.2), ("poly", 0.1)])
def test_a_configuration_chooses_the_schedule(name: str, half: float) -> None:
    schedule = build_schedule(TrainConfig(learning_rate=0.2, steps=10, schedule=name, power=1.0))
    assert float(schedule(5)) == pytest.approx(half)


def test_a_sum_is_the_mean_times_the_pixels_of_a_step() -> None:
    # 4 images of 50 labeled pixels each: the sum is 200 times the mean.
    config = summed(learning_rate=1e-4, batch_size=4, accumulate=4, momentum=0.75, weight_decay=0.01)
    assert mean_loss_learning_rate(config, 50.0) == pytest.approx(0.02)
    text = describe_summed_loss(config, 50.0)
    assert "some 200 labeled pixels" in text
    assert "learning rate 0.0001 is 0.02 for a mean loss, with weight decay 5e-05" in text
    assert "momentum 0.75 makes that 0.08" in text


def test_adamw_does_not_see_the_scale_of_the_loss() -> None:
    assert "adamw takes the same steps" in describe_summed_loss(summed(optimizer="adamw"), 50.0)


def test_only_summed_losses_with_pixels_are_described() -> None:
    mean = summed().model_copy(update={"loss": LossConfig()})
    with pytest.raises(ValueError, match="Received: 'mean'"):
        describe_summed_loss(mean, 50.0)
    with pytest.raises(ValueError, match=r"image_pixels=0\.0"):
        describe_summed_loss(summed(), 0.0)
