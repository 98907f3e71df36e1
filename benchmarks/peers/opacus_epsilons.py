"""Records the epsilons of Opacus' PRV accountant, for the tests of ours.

In an environment of its own (`pip install opacus`, or `make bench-peers`):

python benchmarks/peers/opacus_epsilons.py --path=tests/privacy/opacus_epsilons.json

Source of the accountant: Gopi, Lee and Wutschitz 2021, "Numerical Composition of
Differential Privacy", which bounds its own error.
"""

import argparse
import importlib.metadata
import itertools
import json
import math
import pathlib

NOISE_MULTIPLIERS = (0.6, 1.0, 2.0, 5.0)
SAMPLING_PROBABILITIES = (0.0005, 0.005, 0.05)
UPDATES = (100, 2_000, 20_000)
DELTAS = (1e-5, 1e-7)

# No one trains so, and the grid that it takes fills the memory.
LARGEST_EPSILON = 50.0

EPSILON_ERROR = 0.01
RELATIVE_DELTA_ERROR = 1e-3


def epsilons(noise_multiplier, sampling_probability, updates, delta):
    """Opacus' lower bound, estimate and upper bound of epsilon."""
    from opacus.accountants import PRVAccountant

    accountant = PRVAccountant()
    accountant.history = [(noise_multiplier, sampling_probability, updates)]
    delta_error = RELATIVE_DELTA_ERROR * delta
    # `get_epsilon` itself gives the upper bound alone.
    distribution = accountant._get_dprv(EPSILON_ERROR, delta_error)
    return distribution.compute_epsilon(delta, delta_error, EPSILON_ERROR)


def is_small(noise_multiplier, sampling_probability, updates, delta):
    from opacus.accountants import RDPAccountant

    accountant = RDPAccountant()
    accountant.history = [(noise_multiplier, sampling_probability, updates)]
    return accountant.get_epsilon(delta) < LARGEST_EPSILON


def rows():
    """One dict for each setting of the grid."""
    grid = itertools.product(NOISE_MULTIPLIERS, SAMPLING_PROBABILITIES, UPDATES, DELTAS)
    for setting in filter(lambda setting: is_small(*setting), grid):
        lower, estimate, upper = map(float, epsilons(*setting))
        if not math.isfinite(estimate):
            raise RuntimeError(f"Opacus has no epsilon for {setting}")
        names = ("noise_multiplier", "sampling_probability", "updates", "delta")
        yield {
            **dict(zip(names, setting, strict=True)),
            "lower": lower,
            "estimate": estimate,
            "upper": upper,
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--path", type=pathlib.Path, required=True)
    path = parser.parse_args().path
    head = {
        "accountant": "Opacus PRVAccountant",
        "opacus": importlib.metadata.version("opacus"),
        "torch": importlib.metadata.version("torch"),
        "epsilon_error": EPSILON_ERROR,
        "relative_delta_error": RELATIVE_DELTA_ERROR,
    }
    lines = ",\n  ".join(json.dumps(row) for row in rows())
    text = f'{json.dumps(head, indent=1)[:-2]},\n "rows": [\n  {lines}\n ]\n}}\n'
    path.write_text(text, encoding="utf-8")
    print(f"{len(json.loads(text)['rows'])} settings in {path}")


if __name__ == "__main__":
    main()
