"""Label images: `python infer.py runs/voc images/ --output labels --overlay`."""

import sys

from fcn.cli.start import start

if __name__ == "__main__":
    start(["infer", *sys.argv[1:]])
