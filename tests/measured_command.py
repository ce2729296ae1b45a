"""Runs a command as a user starts it, and tells how much memory it took: `measured_command.py infer ...`.

The last line on stderr is "VmHWM: N kB", the most memory the process held.
"""

import sys
from pathlib import Path

from fcn.cli.main import main

if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    finally:
        status = Path("/proc/self/status").read_text().splitlines()
        print(next(line for line in status if line.startswith("VmHWM")), file=sys.stderr)
