"""Reliability diagrams as a picture: how often labels of each confidence are right, and how many there are.

Source: Niculescu-Mizil & Caruana, "Predicting good probabilities with supervised learning" (ICML 2005); with
the gap to the diagonal and the shares of pixels as in Guo et al. (ICML 2017), figure 1.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from fcn.pages.axes import Axes, Axis
from fcn.pages.percent import percent
from fcn.pages.render import COLORS, render

if TYPE_CHECKING:  # it needs what scores a net; a picture does not
    from fcn.evaluation.calibration import Calibration

_WIDTH, _HEIGHT, _SHARES_HEIGHT = 360, 350, 150
_TITLE_HEIGHT, _LEGEND_HEIGHT = 80, 46
_PERCENT = (0, 20, 40, 60, 80, 100)


class Bar(NamedTuple):
    """A bin of confidence.

    Attributes:
        x: Left edge on the picture.
        width: Width on the picture.
        top: Upper edge of the share that is labeled correctly.
        confidence: Place of the mean confidence.
        share_top: Upper edge of the bar of the share of pixels.
        text: The numbers.
    """

    x: float
    width: float
    top: float
    confidence: tuple[float, float]
    share_top: float
    text: str


class Panel(NamedTuple):
    """The reliability diagram of one calibration.

    Attributes:
        title: What it is of.
        notes: Its expected calibration error and likelihood.
        axes: Of the diagram.
        shares: Axes of the shares of pixels below it.
        bars: The bins that have pixels.
    """

    title: str
    notes: tuple[str, str]
    axes: Axes
    shares: Axes
    bars: list[Bar]


def reliability_picture(calibrations: Sequence[tuple[str, "Calibration"]], title: str) -> str:
    """Returns reliability diagrams side by side, as SVG that opens offline, in light and dark.

    Args:
        calibrations: What each diagram is of, and its calibration.
        title: What was scored.
    """
    panels = [_panel(name, calibration) for name, calibration in calibrations]
    return render(
        "reliability.svg",
        title=title,
        panels=panels,
        panel_width=_WIDTH,
        title_height=_TITLE_HEIGHT,
        plot_height=_HEIGHT,
        width=_WIDTH * len(panels),
        height=_TITLE_HEIGHT + _HEIGHT + _SHARES_HEIGHT + _LEGEND_HEIGHT,
        colors=Markup(COLORS.read_text(encoding="utf-8")),
    )


def _panel(title: str, calibration: "Calibration") -> Panel:
    across = Axis("confidence, %", _PERCENT, 0, 100)
    axes = Axes(across, Axis("labeled correctly, %", _PERCENT, 0, 100), _WIDTH, _HEIGHT)
    shares = Axes(across, Axis("share of the pixels, %", (0, 50, 100), 0, 100), _WIDTH, _SHARES_HEIGHT)
    total, count = int(calibration.pixels.sum()), len(calibration.pixels)
    bars = []
    for index, pixels in enumerate(calibration.pixels.tolist()):
        if not pixels:
            continue
        confidence, accuracy = (
            100 * float(values[index]) for values in (calibration.confidence, calibration.accuracy)
        )
        left, top = axes.place(100 * index / count, accuracy)
        right, _ = axes.place(100 * (index + 1) / count, accuracy)
        share = 100 * pixels / total
        text = (
            f"{percent(pixels / total)} of the pixels: mean confidence {percent(confidence / 100)}, "
            f"{percent(accuracy / 100)} labeled correctly"
        )
        place = axes.place(confidence, confidence)
        bars.append(Bar(left, right - left, top, place, shares.place(0, share)[1], text))
    notes = (
        f"expected calibration error {percent(calibration.expected_error)}",
        f"negative log-likelihood {calibration.negative_log_likelihood:.4f}",
    )
    return Panel(title, notes, axes, shares, bars)
