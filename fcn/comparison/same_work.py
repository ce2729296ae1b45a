"""Which nets of a grid do the same work, so that the time of one is the time of all."""

from collections.abc import Sequence

from fcn.comparison.result import NetResult

_WITHOUT_WORK = {
    "train": ("learning_rate", "schedule", "power", "warmup_steps", "seed", "steps", "epochs", "patience"),
    "model": ("weights",),
}
"""Keys whose value does not change what a step or a label computes."""


def same_work(nets: Sequence[NetResult]) -> dict[str, str]:
    """Returns the name of the net to time, by the name of each net: the first that does the same work.

    Only nets of a grid share a time. Nets that were given one by one are each timed.
    """
    first: dict[str, str] = {}
    return {
        net.name: first.setdefault(_work(net), net.name) if net.candidate.varied else net.name for net in nets
    }


def _work(net: NetResult) -> str:
    if net.config is None:
        return net.name
    without = {section: dict.fromkeys(keys) for section, keys in _WITHOUT_WORK.items()}
    values = net.config.model_dump(mode="json")
    return repr({section: keys | without.get(section, {}) for section, keys in values.items()})
