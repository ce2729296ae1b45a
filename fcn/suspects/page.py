"""What is suspicious on one HTML page that opens offline: image, label and prediction side by side."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from fcn.classes import Classes, count_ids
from fcn.data.image_io import Pixels, encode_jpeg
from fcn.outputs.overlay import tint
from fcn.outputs.overlay_style import DEFAULT_STYLE
from fcn.pages.percent import percent
from fcn.pages.picture import Picture, embed
from fcn.pages.render import render
from fcn.pages.swatch import Swatch, class_swatches
from fcn.suspects.ranking import MOST_OF_AN_IMAGE, Net, SuspectImage, SuspectRegion, compare_examples
from fcn.suspects.score import Comparison, region_mask
from fcn.suspects.search import Suspects, open_net
from fcn.system.progress import track
from fcn.system.results import write_result

# A page with more takes long to open; the table has all.
_MOST_SHOWN = 100
_LONGER_SIDE = 360
# A region is shown with half its sides around it, and with at least so many pixels.
_MARGIN = 24
_LARGEST_SCALE = 8
_RED, _WHITE = (235, 45, 45), (255, 255, 255)


class _Suspect(NamedTuple):
    """An image or region on the page.

    Attributes:
        rank: From 1 on.
        name: File name of the image.
        given: Class in the label; None for an image.
        predicted: Class that the net predicts; None for an image.
        facts: What is known about it.
        pictures: Image, label and prediction.
    """

    rank: int
    name: str
    given: Swatch | None
    predicted: Swatch | None
    facts: list[str]
    pictures: list[Picture]


class _Pictures:
    """The pictures of all suspects.

    Attributes:
        drawn: By the suspect, (net, image, region or None).
        ids: Class ids that they show.
    """

    def __init__(self, classes: Classes) -> None:
        self._classes = classes
        self.drawn: dict[SuspectImage | SuspectRegion, list[Picture]] = {}
        self.ids: set[int] = set()

    def add(self, suspect: SuspectImage | SuspectRegion, image: Pixels, comparison: Comparison) -> None:
        """Draws a suspect."""
        if isinstance(suspect, SuspectImage):
            mask, place = comparison.doubted(), (slice(None), slice(None))
        else:
            mask, place = _in_image(comparison, suspect)
        name, is_region = suspect.example.image_path.name, isinstance(suspect, SuspectRegion)
        self.drawn[suspect] = [
            self._picture(caption, f"{description} {name}", image[place], label, mask[place], outlined)
            for caption, description, label, outlined in (
                ("image", "Image", None, is_region),
                ("label", "Classes in the label of", comparison.label[place], True),
                ("prediction", "Classes that the net predicts for", comparison.predicted[place], True),
            )
        ]

    def _picture(
        self,
        caption: str,
        description: str,
        image: Pixels,
        label: Pixels | None,
        mask: npt.NDArray[np.bool_],
        outlined: bool,
    ) -> Picture:
        """Returns a picture.

        Args:
            caption: Text below it.
            description: What it shows.
            image: `uint8[H, W, 3]`, RGB.
            label: `uint8[H, W]`, class ids to lay over it; None for none.
            mask: `bool[H, W]`, what is doubted.
            outlined: Whether to draw an outline around that.
        """
        scale = min(_LONGER_SIDE / max(image.shape[:2]), _LARGEST_SCALE)
        size = tuple(max(1, round(side * scale)) for side in image.shape[1::-1])
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
        picture = cv2.resize(image, size, interpolation=method).astype(np.uint8, copy=False)
        if label is not None:
            self.ids.update(np.flatnonzero(count_ids(label)).tolist())
            shown = cv2.resize(np.ascontiguousarray(label), size, interpolation=cv2.INTER_NEAREST_EXACT)
            picture = tint(picture, shown.astype(np.uint8, copy=False), self._classes)
        if outlined:
            area = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT)
            outlines, _ = cv2.findContours(area, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
            for color, thickness in ((_WHITE, 3), (_RED, 1)):
                cv2.drawContours(picture, outlines, -1, color, thickness)
        return embed(caption, description, "jpeg", encode_jpeg(picture), picture.shape)


def write_page(path: Path, suspects: Suspects, nets: Sequence[Net], trust: bool) -> None:
    """Writes the page; the images on it are read and labeled again.

    Args:
        path: The file to write.
        suspects: What to show.
        nets: The nets that were asked.
        trust: Whether to load also a model with parts that could run code.

    Raises:
        DataError: If an image to show can no longer be read.
        OutputError: If the place cannot be written to or the disk is full.
        RunError: If a net can no longer be read.
    """
    regions, images = suspects.regions[:_MOST_SHOWN], suspects.images[:_MOST_SHOWN]
    pictures = _draw([*regions, *images], suspects, nets, trust)
    classes = DEFAULT_STYLE.recolor(suspects.classes)
    palette = dict(enumerate(class_swatches(classes, range(len(classes.names)))))
    page = render(
        "suspects.html",
        name=suspects.run.resolve().name,
        suspects=suspects,
        num_regions=len(suspects.regions),
        most_of_an_image=MOST_OF_AN_IMAGE,
        regions=[
            _Suspect(
                rank,
                one.example.image_path.name,
                palette[one.region.given],
                palette[one.region.predicted],
                _region_facts(one),
                pictures.drawn[one],
            )
            for rank, one in enumerate(regions, start=1)
        ],
        images=[
            _Suspect(rank, one.example.image_path.name, None, None, _image_facts(one), pictures.drawn[one])
            for rank, one in enumerate(images, start=1)
        ],
        legend=class_swatches(classes, sorted(pictures.ids)),
    )
    write_result(path, page)


def _draw(
    shown: Sequence[SuspectImage | SuspectRegion], suspects: Suspects, nets: Sequence[Net], trust: bool
) -> _Pictures:
    pictures = _Pictures(suspects.classes)
    for index, net in enumerate(nets):
        of_image = defaultdict(list)
        for suspect in shown:
            if suspect.net == index:
                of_image[suspect.example].append(suspect)
        if not of_image:
            continue
        compared = compare_examples(open_net(net, suspects.classes, trust), [*of_image])
        for example, image, comparison, _ in track(compared, "drawing", total=len(of_image)):
            for suspect in of_image[example]:
                pictures.add(suspect, image, comparison)
    return pictures


def _in_image(
    comparison: Comparison, suspect: SuspectRegion
) -> tuple[npt.NDArray[np.bool_], tuple[slice, slice]]:
    """Returns which pixels of the image are of the region, and the part of the image to show."""
    top, left, height, width = suspect.region.box
    mask = np.zeros(comparison.label.shape, np.bool_)
    mask[top : top + height, left : left + width] = region_mask(comparison, suspect.region)
    margin = max(_MARGIN, max(height, width) // 2)
    return mask, (
        slice(max(0, top - margin), top + height + margin),
        slice(max(0, left - margin), left + width + margin),
    )


def _region_facts(suspect: SuspectRegion) -> list[str]:
    region = suspect.region
    return [
        f"{region.pixels:,} {'pixel' if region.pixels == 1 else 'pixels'}",
        f"probability of the label {percent(region.given_probability, 1)}, of the prediction "
        f"{percent(region.predicted_probability, 1)}",
        f"doubt {region.doubt:,.1f}",
    ]


def _image_facts(suspect: SuspectImage) -> list[str]:
    return [
        f"label quality {percent(suspect.quality, 1)}",
        f"{suspect.pixels:,} {'pixel' if suspect.pixels == 1 else 'pixels'} doubted",
    ]
