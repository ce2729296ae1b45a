"""All that is examined of an installation."""

from fcn.doctor.backends import describe_gpus, examine_backends, find_gpus
from fcn.doctor.extras import examine_extras
from fcn.doctor.finding import Finding
from fcn.doctor.machine import examine_disk, examine_memory, examine_nets, examine_python


def examine() -> list[Finding]:
    """Returns what was found about Python, the backends, the machine and optional packages, in this order."""
    gpus = find_gpus()
    return [
        examine_python(),
        *examine_backends(gpus),
        describe_gpus(gpus),
        examine_memory(),
        examine_disk(),
        examine_nets(),
        *examine_extras(),
    ]
