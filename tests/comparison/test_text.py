from fcn.comparison.paired import compare_with_best
from fcn.comparison.text import print_comparison


def test_a_row_for_each_net_within_100_columns(comparison, capsys) -> None:
    nets = [net._replace(candidate=net.candidate._replace(name=f"camvid-{index}")) for index, net in
            enumerate(comparison.nets)]  # fmt: skip
    large = nets[0]._replace(size=nets[0].size._replace(parameters=134_500_000, gflop=16777.2))
    print_comparison(comparison._replace(nets=(large, nets[1])))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    row = next(line.split() for line in lines if line.strip().startswith("camvid-0"))
    mean_iou = 100 * large.evaluation.scores.mean_iou
    assert row[0:2] == ["camvid-0", f"{mean_iou:.2f}%"]
    assert row[4:] == [*("134.5", "M", "16,777", "404", "20.0", "210", "500", "524", "1,200", "1.5")]
    assert next(line.split() for line in lines if "camvid-1" in line)[-7:] == ["-"] * 7


def test_a_checkpoint_of_a_run_fits_into_100_columns(comparison, capsys) -> None:
    nets = [
        net._replace(
            candidate=net.candidate._replace(name=name),
            size=net.size._replace(parameters=134_500_000, gflop=0.00123),
        )
        for net, name in zip([comparison.nets[0]] * 2, ("frontend-last", "frontend-best"), strict=True)
    ]
    print_comparison(comparison._replace(nets=tuple(nets)))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    assert {line.split()[0] for line in lines if line.split()[1:2] and line.split()[1].endswith("%")} == {
        "frontend-last",
        "frontend-best",
    }
    (difference,) = compare_with_best(nets)
    assert len(difference.describe()) > 100
    assert difference.describe().split() == [*lines[-2].split(), *lines[-1].split()]  # broken at a word


def test_a_long_name_stays_in_one_piece_in_a_file(comparison, capsys) -> None:
    name = "a-net-with-a-long-name"
    net = comparison.nets[0]
    print_comparison(comparison._replace(nets=(net._replace(candidate=net.candidate._replace(name=name)),)))
    assert name in capsys.readouterr().out


def test_values_of_a_grid_and_its_rungs(grid, capsys) -> None:
    print_comparison(grid)
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    rows = [line for line in lines if line[0] in ("first<i>", "second", "third", "fourth")]
    assert [row[:3] for row in rows[:2]] == [["first<i>", "0.1", "<b>"], ["second", "-", "-"]]
    # Then the rungs.
    assert rows[2:5] == [["first<i>", "50.00%", "75.00%"], ["third", "25.00%", "-"], ["fourth", "-", "-"]]
    assert ["net", "600", "1,200"] in lines


def test_a_split_that_was_chosen_by_chance_is_told(comparison, capsys) -> None:
    print_comparison(comparison._replace(plan=comparison.plan._replace(val_share=0.25)))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    assert (
        "No list 'val': data.val_share=0.25 of the images are left out of each training, and scored." in lines
    )
