from markdown_page import parse, rows

from fcn.exports.card.markdown import block, code, table

ODD = [
    "a|b",
    "<b>bold</b>",
    "x  y\nz",
    "1 < 2",
    "*star* _line_ [link](x) `tick`",
    "back\\slash \\| end",
    "#",
    "",
]


def test_cells_are_shown_as_they_are() -> None:
    expected = [[" ".join(text.split())] for text in ODD]
    assert rows(parse(table(["head"], [[text] for text in ODD]))) == [["head"], *expected]


def test_code_in_cells_is_shown_as_it_is() -> None:
    texts = ["uint8[B, H, W, 3]", "a|b", "<b>", "data/*_x_*"]
    page = table(["head"], [[code(text)] for text in texts])
    assert rows(parse(page)) == [["head"], *([text] for text in texts)]
    assert page.count("`") == 2 * len(texts)


def test_a_row_has_a_cell_for_each_column() -> None:
    page = table(["a", "b"], [[1, 2.5], [None, True]])
    assert rows(parse(page)) == [["a", "b"], ["1", "2.5"], ["None", "True"]]


def test_lines_of_code_stay_lines() -> None:
    (token,) = parse(block("python", "a = 1\n\nb = '*'"))
    assert (token.type, token.info, token.content) == ("fence", "python", "a = 1\n\nb = '*'\n")
