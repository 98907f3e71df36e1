"""AIM on mbi 2, in its own environment: cells in, synthetic cells out.

`python mbi_aim.py cells.npz synthetic.npz --epsilon=1 --delta=1e-5`

Written after McKenna, Mullins, Sheldon and Miklau 2022, "AIM: An Adaptive and Iterative
Mechanism for Differentially Private Synthetic Data", algorithm 4: the workload is all
pairs, and all triples with the target if there is one; models of 80 MB at most. mbi 2
itself has no mechanisms. Its budget is that of zero-concentrated privacy. JAX is set as
mbi asks for: float64, and no cache of compiled programs.
"""

import argparse
import itertools
import math
import time

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_enable_compilation_cache", False)

import mbi
from mbi import junction_tree
from scipy import optimize

MAX_MODEL_MB = 80
ITERATIONS = 1000
SHARE_OF_MEASUREMENTS = 0.9
_MEAN_SIZE = math.sqrt(2 / math.pi)


def rho_of(epsilon, delta):
    """The rho whose best conversion to (epsilon, delta) is within the budget."""

    def log_delta(rho):
        def at(alpha):
            return (
                (alpha - 1) * (alpha * rho - epsilon)
                + alpha * math.log1p(-1 / alpha)
                - math.log(alpha - 1)
            )

        found = optimize.minimize_scalar(
            lambda log: at(1 + math.exp(log)), bounds=(-4, 12), method="bounded"
        )
        return found.fun

    return optimize.brentq(lambda rho: log_delta(rho) - math.log(delta), 1e-6, 10)


def aim(data, target, rho, rng):
    """The model of AIM."""
    names = data.domain.attributes
    workload = list(itertools.combinations(names, 2))
    if target is not None:
        workload += [(target, *p) for p in workload if target not in p]
    candidates = {}
    for size in (1, 2, 3):
        for found in {
            tuple(sorted(c, key=names.index))
            for w in workload
            for c in itertools.combinations(w, size)
        }:
            candidates[found] = float(sum(len({*found} & {*w}) for w in workload))
    answers = {c: np.asarray(data.project(c).datavector()) for c in candidates}
    rounds = 16 * len(names)
    sigma = math.sqrt(rounds / (2 * SHARE_OF_MEASUREMENTS * rho))
    epsilon = math.sqrt(8 * (1 - SHARE_OF_MEASUREMENTS) * rho / rounds)
    singles = [c for c in candidates if len(c) == 1]
    measured = [_measure(answers, c, sigma, rng) for c in singles]
    used = len(singles) * 0.5 / sigma**2
    fit = mbi.estimation.MirrorDescent().estimate
    model = fit(data.domain, measured, iters=ITERATIONS)
    last = False
    while not last:
        if rho - used < 2 * (0.5 / sigma**2 + epsilon**2 / 8):
            left = rho - used
            sigma = math.sqrt(1 / (2 * SHARE_OF_MEASUREMENTS * left))
            epsilon = math.sqrt(8 * (1 - SHARE_OF_MEASUREMENTS) * left)
            last = True
        used += epsilon**2 / 8 + 0.5 / sigma**2
        cliques = [m.clique for m in measured]
        limit = MAX_MODEL_MB * used / rho
        scores = {}
        for c, weight in candidates.items():
            there = any({*c} <= {*m} for m in cliques)
            if not there and (
                junction_tree.hypothetical_model_size(data.domain, [*cliques, c])
                > limit
            ):
                continue
            expected = np.asarray(model.project(c).datavector())
            wrong = np.abs(answers[c] - expected).sum()
            scores[c] = weight * (wrong - _MEAN_SIZE * sigma * expected.size)
        names_of, values = list(scores), np.array(list(scores.values()))
        largest = max(candidates[c] for c in names_of)
        chances = np.exp(0.5 * epsilon / largest * (values - values.max()))
        chosen = names_of[rng.choice(len(values), p=chances / chances.sum())]
        before = np.asarray(model.project(chosen).datavector())
        measured.append(_measure(answers, chosen, sigma, rng))
        model = fit(data.domain, measured, iters=ITERATIONS, warm_start=model)
        moved = np.abs(np.asarray(model.project(chosen).datavector()) - before).sum()
        print(f"{used / rho:.2f} of the budget, {chosen}", flush=True)
        if moved <= sigma * _MEAN_SIZE * before.size:
            sigma, epsilon = sigma / 2, epsilon * 2
    return model


def _measure(answers, clique, sigma, rng):
    noisy = answers[clique] + sigma * rng.standard_normal(answers[clique].size)
    return mbi.LinearMeasurement(noisy, clique, sigma)


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cells")
    parser.add_argument("out")
    parser.add_argument("--epsilon", type=float, required=True)
    parser.add_argument("--delta", type=float, required=True)
    given = parser.parse_args()
    file = np.load(given.cells)
    cells, sizes, target = file["cells"], file["sizes"].tolist(), int(file["target"])
    names = tuple(f"c{i}" for i in range(len(sizes)))
    data = mbi.Dataset(
        {name: cells[:, i] for i, name in enumerate(names)},
        mbi.Domain(names, tuple(sizes)),
    )
    begun, used = time.monotonic(), time.process_time()
    model = aim(
        data,
        None if target < 0 else names[target],
        rho_of(given.epsilon, given.delta),
        np.random.default_rng(),
    )
    made = model.synthetic_data(rows=len(cells)).to_dict()
    rows = np.stack([np.asarray(made[name]) for name in names], axis=1)
    np.savez(
        given.out,
        cells=rows,
        seconds=time.monotonic() - begun,
        cpu_seconds=time.process_time() - used,
    )


if __name__ == "__main__":
    main()
