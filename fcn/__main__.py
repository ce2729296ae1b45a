"""Runs the command line: `python -m fcn COMMAND`."""

from fcn.cli.main import main

if __name__ == "__main__":
    main()
