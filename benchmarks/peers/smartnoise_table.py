"""AIM and MST of SmartNoise, in its own environment: cells in, synthetic cells out.

`python smartnoise_table.py cells.npz out.npz --mechanism=mst --epsilon=1 --delta=1e-5`

All settings are the defaults of SmartNoise. The cells are categories, so that no budget
goes into bounds.
"""

import argparse
import time

import numpy as np
import pandas as pd
from snsynth import Synthesizer


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cells")
    parser.add_argument("out")
    parser.add_argument("--mechanism", choices=["aim", "mst"], required=True)
    parser.add_argument("--epsilon", type=float, required=True)
    parser.add_argument("--delta", type=float, required=True)
    given = parser.parse_args()
    file = np.load(given.cells)
    cells = file["cells"]
    names = [f"c{i}" for i in range(cells.shape[1])]
    frame = pd.DataFrame(cells, columns=names)
    begun, used = time.monotonic(), time.process_time()
    model = Synthesizer.create(
        given.mechanism, epsilon=given.epsilon, delta=given.delta
    )
    model.fit(frame, categorical_columns=names, preprocessor_eps=0.0)
    made = model.sample(len(cells))[names].to_numpy(np.int64)
    np.savez(
        given.out,
        cells=made,
        seconds=time.monotonic() - begun,
        cpu_seconds=time.process_time() - used,
    )


if __name__ == "__main__":
    main()
