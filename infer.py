"""Label images: `python infer.py runs/voc images/ --output labels --overlay`."""

import sys

from fcn.cli.main import main

if __name__ == "__main__":
    main(["infer", *sys.argv[1:]])
