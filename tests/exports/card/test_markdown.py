from markdown_page import parse, rows, text

from fcn.exports.card.markdown import block, code, plain, table

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
    expected = [[" ".join(one.split())] for one in ODD]
    assert rows(parse(table(["head"], [[one] for one in ODD]))) == [["head"], *expected]


def test_code_in_cells_is_shown_as_it_is() -> None:
    texts = ["uint8[B, H, W, 3]", "a|b", "<b>", "data/*_x_*"]
    page = table(["head"], [[code(one)] for one in texts])
    assert rows(parse(page)) == [["head"], *([one] for one in texts)]
    assert page.count("`") == 2 * len(texts)


def test_a_row_has_a_cell_for_each_column() -> None:
    page = table(["a", "b"], [[1, 2.5], [None, True]])
    assert rows(parse(page)) == [["a", "b"], ["1", "2.5"], ["None", "True"]]


def test_lines_of_code_stay_lines() -> None:
    (token,) = parse(block("python", "a = 1\n\nb = '*'"))
    assert (token.type, token.info, token.content) == ("fence", "python", "a = 1\n\nb = '*'\n")


HOSTILE = "a\x1b]0;title\x07 \x9b2J\x7f\u202e\u2066\udcff\0b"
SHOWN = r"a\x1b]0;title\x07 \x9b2J\x7f\u202e\u2066\udcff\x00b"


def test_control_characters_are_escaped() -> None:
    page = "\n\n".join([table([HOSTILE, "code"], [[HOSTILE, code(HOSTILE)]]), f"# {plain(HOSTILE)}"])
    assert rows(parse(page)) == [[SHOWN, "code"], [SHOWN, SHOWN]]
    assert page.replace("\n", "").isprintable()
    assert text(parse(page)).endswith(SHOWN)
    page.encode()
