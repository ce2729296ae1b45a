import numpy as np
import pytest

from fcn.comparison.document import comparison_document
from fcn.comparison.paired import compare_with_best
from fcn.comparison.result import Comparison, NetResult
from fcn.comparison.text import print_comparison
from fcn.evaluation.bootstrap import ImageCounts
from fcn.evaluation.metrics import Matrix, Scores


def with_matrices(net: NetResult, name: str, matrices: list[Matrix]) -> NetResult:
    """Returns a net with other scores: those of confusion matrices of its images."""
    image = net.evaluation.images[0]
    images = tuple(image._replace(counts=ImageCounts.of(matrix)) for matrix in matrices)
    total = sum(matrices[1:], start=matrices[0])
    evaluation = net.evaluation._replace(
        images=images, matrix=total, scores=Scores.from_matrix(total), boundary=None
    )
    return net._replace(candidate=net.candidate._replace(name=name), evaluation=evaluation)


def matrix(correct: int, size: int = 100) -> Matrix:
    """Returns the matrix of an image of three classes; so many pixels of two are labeled correctly."""
    return np.array([[correct, size - correct, 0], [size - correct, correct, 0], [0, 0, size]])


def test_what_is_a_little_better_everywhere_is_sure(comparison: Comparison) -> None:
    """Images differ by far more than both nets do, but both nets see the same images."""
    rng = np.random.default_rng(0)
    correct = rng.integers(40, 98, 60)
    weak = with_matrices(comparison.nets[0], "weak", [matrix(one) for one in correct])
    strong = with_matrices(comparison.nets[0], "strong", [matrix(one + 2) for one in correct])
    (found,) = compare_with_best([weak, strong])
    assert (found.best, found.other) == ("strong", "weak")
    assert found.mean_iou == strong.evaluation.scores.mean_iou - weak.evaluation.scores.mean_iou
    assert 0 < found.ends.low < found.mean_iou < found.ends.high
    assert not found.may_be_chance
    spread = np.quantile(strong.evaluation.draw_scores().mean_iou, [0.025, 0.975])
    assert found.ends.high - found.ends.low < 0.2 * (spread[1] - spread[0])


def test_what_is_better_on_half_of_the_images_may_be_chance(comparison: Comparison) -> None:
    net = comparison.nets[0]
    one = with_matrices(net, "one", [matrix(90), matrix(50)] * 5)
    other = with_matrices(net, "other", [matrix(50), matrix(91)] * 5)
    (found,) = compare_with_best([one, other])
    assert found.best == "other"
    assert found.ends.low < 0 < found.ends.high
    assert found.describe().endswith("That may be chance.")


def test_each_net_is_compared_with_the_best(comparison: Comparison, capsys: pytest.CaptureFixture) -> None:
    net = comparison.nets[0]
    nets = [
        with_matrices(net, name, [matrix(share)] * 3) for name, share in (("a", 60), ("b", 80), ("c", 70))
    ]
    found = compare_with_best(nets)
    assert [(one.best, one.other) for one in found] == [("b", "a"), ("b", "c")]
    changed = comparison._replace(nets=tuple(nets))
    print_comparison(changed)
    printed = capsys.readouterr().out.splitlines()
    assert [one.describe() for one in found] == printed[-2:]
    assert all(" from 3 images only." in line for line in printed[-2:])
    document = comparison_document(changed, [])
    assert [(one["best"], one["other"]) for one in document["differences"]] == [("b", "a"), ("b", "c")]


def test_nets_without_images_or_alone_are_not_compared(comparison: Comparison) -> None:
    net = comparison.nets[0]
    assert compare_with_best([net]) == []
    bare = net._replace(evaluation=net.evaluation._replace(images=()))
    assert compare_with_best([bare, bare]) == []
