"""Train a net: `python train.py configs/voc_fcn8s.yaml --run runs/voc --set train.steps=1000`."""

import sys

from fcn.cli.start import start

if __name__ == "__main__":
    start(["train", *sys.argv[1:]])
