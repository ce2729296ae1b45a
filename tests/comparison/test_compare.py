from pathlib import Path

from fcn.comparison.compare import most_common_size
from fcn.data.voc import read_split


def test_the_most_common_size_is_taken(tmp_path: Path, make_dataset) -> None:
    sizes = ((20, 26), (31, 17), (31, 17), (26, 20))
    root = make_dataset(tmp_path, {"val": ["a", "b", "c", "d"], "two": ["d", "a"]}, sizes=sizes)
    assert most_common_size(read_split(root, "val")) == (31, 17)
    assert most_common_size(read_split(root, "two")) == (26, 20)
