import math

from fcn.comparison.columns import COLUMNS, UNKNOWN, memory_note

BY_TITLE = {column.title: column for column in COLUMNS}


def test_numbers_of_a_net(comparison) -> None:
    first, second = comparison.nets
    texts = [column.text(first) for column in COLUMNS[3:]]
    # Times are medians; memory is the 200 and 500 MiB on top of the 400 of an idle process, in MB.
    assert texts == ["1.5 M", "0.125", "404", "20.0", "210", "500", "524", "1,200", "1.5"]
    assert [column.text(second) for column in COLUMNS[5:]] == [UNKNOWN] * 7
    scores = first.evaluation.scores
    assert [column.text(first) for column in COLUMNS[:3]] == [
        f"{100 * value:.2f}%"
        for value in (
            scores.mean_iou,
            first.evaluation.boundary.mean_boundary_iou,
            scores.pixel_accuracy,
        )
    ]


def test_the_best_is_the_highest_score_and_the_lowest_cost(comparison) -> None:
    first, second = nets = comparison.nets
    better = first if first.evaluation.scores.mean_iou > second.evaluation.scores.mean_iou else second
    assert [BY_TITLE["mean IoU"].is_best(net, nets) for net in nets] == [net is better for net in nets]
    assert [BY_TITLE["GFLOP"].is_best(net, nets) for net in nets] == [True, False]
    # One alone is not best, nor is one among equals; a field is neither good nor bad.
    assert not BY_TITLE["ms per image"].is_best(first, nets)
    assert not BY_TITLE["GFLOP"].is_best(first, [first, first])
    assert not any(BY_TITLE["receptive field"].is_best(net, nets) for net in nets)


def test_others_are_compared_with_the_first(comparison) -> None:
    first, second = comparison.nets
    assert BY_TITLE["parameters"].compared(second, first) == "2.00x"
    points = 100 * (second.evaluation.scores.mean_iou - first.evaluation.scores.mean_iou)
    assert math.isclose(float(BY_TITLE["mean IoU"].compared(second, first)), points, abs_tol=0.005)
    assert BY_TITLE["ms per image"].compared(second, first) == ""
    assert BY_TITLE["train steps"].compared(first, first) == ""


def test_memory_is_that_beyond_an_idle_process(comparison) -> None:
    assert "beyond the 419 MB of Python and the backend alone" in memory_note(comparison.nets)
    assert "beyond the 0 MB" in memory_note([])
