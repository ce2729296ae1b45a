"""Says why a plan chose what it chose, from its trials."""

from fcn.pages.percent import percent
from fcn.planning.fingerprint import ClassFact, Fingerprint
from fcn.planning.search import ENOUGH_STEPS, Search, TrialResult
from fcn.system.text import counted


def explain_trials(
    found: TrialResult, in_float32: TrialResult, fingerprint: Fingerprint, search: Search
) -> dict[str, str]:
    """Returns the reason of each value that comes from trials, by "section.key".

    Args:
        found: The trial of what was chosen.
        in_float32: The trial that was found in float32.
        fingerprint: Facts of the data.
        search: All trials.
    """
    (height, width), shape = fingerprint.median_size, found.option.shape
    why = [f"the median image is {height}x{width}"]
    most_seconds = search.seconds / ENOUGH_STEPS
    others = [tried for tried in search.trials if tried.option.shape != shape]
    if any(tried.cost is not None and tried.cost.step_seconds > most_seconds for tried in others):
        why.append(f"larger examples are too slow for {ENOUGH_STEPS} steps in this time")
    if any(tried.cost is None for tried in others):
        why.append("larger examples do not fit into the memory")
    seen = "x".join(str(round(shape.input_scale * side)) for side in shape.crop_size)
    peak = "" if found.peak_bytes is None else f", with {found.peak_bytes / 1e9:.2f} GB"
    limit = (
        ""
        if search.limit_bytes is None
        else f" of {search.limit_bytes / 1e9:.3g} GB, a tenth of which stays free"
    )
    images = counted(search.config.train.batch_size // found.option.accumulate, "image")
    return {
        "model.input_scale": "; ".join(why),
        "augmentation.crop_size": f"as much of the median image as that allows; the net sees {seen}",
        "train.batch_size": "as in the recipe that the plan started from",
        "train.accumulate": f"{images} at once fit into the memory{peak}{limit}",
        "train.precision": _explain_precision(found, in_float32, search),
    }


def _explain_precision(found: TrialResult, in_float32: TrialResult, search: Search) -> str:
    other = search.trials[-1]
    if other.option.precision != "bfloat16" or in_float32.cost is None:
        return "this CPU has no instructions for bfloat16"
    if other.cost is None:
        return "bfloat16 does not fit into the memory"
    text = (
        f"a step takes {other.cost.step_seconds:.3g} s in bfloat16 and "
        f"{in_float32.cost.step_seconds:.3g} s in float32"
    )
    return text if found is other else f"{text}, which is not worth the lower precision"


def describe_class(one: ClassFact, num_read: int) -> str:
    """Returns a line about a class.

    Example:
        >>> describe_class(ClassFact("cat", 0.125, 3), 12)
        'cat: 12.50% of the labeled pixels, in 3 of 12 images'
    """
    return f"{one.name}: {percent(one.share)} of the labeled pixels, in {one.images:,} of {num_read:,} images"
