"""`python -m fcn COMMAND`."""

from fcn.cli import main

if __name__ == "__main__":
    main()
