"""AIM and MST of dpmm, in its own environment: cells in, synthetic cells out.

`python dpmm_table.py cells.npz synthetic.npz --mechanism=mst --epsilon=1 --delta=1e-5`

All settings are the defaults of dpmm, but for one process: more of them need two cores
for each table that is measured.
"""

import argparse
import time

import numpy as np
import pandas as pd
from dpmm.models.aim import AIMGM
from dpmm.models.mst import MSTGM

MECHANISMS = {"aim": AIMGM, "mst": MSTGM}


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cells")
    parser.add_argument("out")
    parser.add_argument("--mechanism", choices=sorted(MECHANISMS), required=True)
    parser.add_argument("--epsilon", type=float, required=True)
    parser.add_argument("--delta", type=float, required=True)
    given = parser.parse_args()
    file = np.load(given.cells)
    cells, sizes = file["cells"], file["sizes"].tolist()
    names = [f"c{i}" for i in range(len(sizes))]
    frame = pd.DataFrame(cells, columns=names)
    begun, used = time.monotonic(), time.process_time()
    model = MECHANISMS[given.mechanism](
        epsilon=given.epsilon,
        delta=given.delta,
        domain=dict(zip(names, sizes, strict=True)),
        random_state=np.random.RandomState(),
        n_jobs=1,
    )
    model.set_domain(dict(zip(names, sizes, strict=True)))
    model.check_fit(frame)
    model.fit(frame)
    made = model.generate(n_records=len(cells))[names].to_numpy(np.int64)
    np.savez(
        given.out,
        cells=made,
        seconds=time.monotonic() - begun,
        cpu_seconds=time.process_time() - used,
    )


if __name__ == "__main__":
    main()
