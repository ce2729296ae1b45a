import numpy as np
from html_page import Page, decoded

from fcn.data.image_io import encode_png
from fcn.pages.picture import embed
from fcn.pages.render import environment

FIGURE = '{% from "macros.html" import figure %}{{ figure(picture) }}'


def test_a_figure_holds_its_picture(rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (3, 5, 3), np.uint8)
    picture = embed("<label>", "Label of <x>", "png", encode_png(pixels), pixels.shape, ("mean IoU 50%",))
    page = Page(environment().from_string(FIGURE).render(picture=picture).replace("<br>", "\n"))
    assert page.open == []
    (shown,) = page.all("img")
    assert (shown["alt"], shown["width"], shown["height"]) == ("Label of <x>", "5", "3")
    np.testing.assert_array_equal(np.asarray(decoded(shown)), pixels)
    assert page.text.split("\n")[1:3] == ["<label>", "mean IoU 50%"]
