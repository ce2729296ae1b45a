"""Formats shares in percent, for pages, tables on a terminal and text."""

import math


def percent(share: float, digits: int = 2) -> str:
    """Returns a share in percent, with the unit.

    Files for machines hold shares from 0 to 1; only what people read is in percent.

    Args:
        share: 1 is all of it; NaN where there is nothing to take a share of.
        digits: How many digits follow the decimal point.

    Returns:
        The number and its unit; "< 0.01%" for a share above 0 that the digits cannot show; "absent" for NaN.

    Example:
        >>> percent(0.57521), percent(0.57521, digits=1), percent(0)
        ('57.52%', '57.5%', '0.00%')
        >>> percent(0.00001), percent(float("nan"))
        ('< 0.01%', 'absent')
    """
    if math.isnan(share):
        return "absent"
    smallest = 10.0**-digits
    if 0 < 100 * share < smallest:
        return f"< {smallest:.{digits}f}%"
    return f"{100 * share:.{digits}f}%"
