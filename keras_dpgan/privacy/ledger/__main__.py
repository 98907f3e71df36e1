"""Shows a ledger: `python -m keras_dpgan.privacy.ledger PATH`."""

import argparse

from keras_dpgan.privacy.ledger import Ledger


def main(arguments=None):
    """Prints the ledger whose path is given."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_dpgan.privacy.ledger",
        description="Shows what was spent on private data.",
    )
    parser.add_argument("path", help="the ledger")
    parser.add_argument(
        "--delta", type=float, default=1e-5, help="delta of epsilon (default: 1e-5)"
    )
    given = parser.parse_args(arguments)
    try:
        print(Ledger.read(given.path).report(given.delta))
    except (OSError, ValueError) as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
