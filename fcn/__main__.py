"""Runs the command line: `python -m fcn COMMAND`."""

from fcn.cli.start import start

if __name__ == "__main__":
    start()
