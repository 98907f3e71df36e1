"""Every mode in a simulation, one after the other: `python demo.py OUTPUT_DIR`.

Modes whose unit is a whole client have noise for a few hundred clients or more;
with ten clients they show that the protocol runs, and that the noise wins.
"""

import json
import pathlib
import subprocess
import sys

SIMULATE = pathlib.Path(__file__).parent / "simulate.py"

RUNS = {
    "record-level": {"rounds": 100},
    "local-records": {"rounds": 10},
    "local-clients": {"rounds": 3, "update-noise": 10.0},
    "masked-sums": {"rounds": 3, "update-noise": 4.0, "max-dropouts": 3},
    "encrypted-sums": {"rounds": 3, "update-noise": 4.0, "max-dropouts": 3},
}


def simulate(mode, settings, output_dir):
    """Runs one mode; returns what run.json says."""
    flags = [f"--{name}={value}" for name, value in settings.items()]
    command = [sys.executable, SIMULATE, f"--mode={mode}", *flags]
    log = output_dir / "log.txt"
    with log.open("w") as file:
        subprocess.run(
            [*command, f"--output-dir={output_dir}"],
            stdout=file,
            stderr=subprocess.STDOUT,
            check=True,
        )
    return json.loads((output_dir / "run.json").read_text())


def main(output_dir):
    lines = ["| mode | unit | rounds | epsilon | accuracy | seconds |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    print(*lines, sep="\n", flush=True)
    for mode, settings in RUNS.items():
        folder = output_dir / mode
        folder.mkdir(parents=True, exist_ok=True)
        run = simulate(mode, settings, folder)
        line = (
            f"| {mode} | {run['unit']} | {run['rounds']} | {run['epsilon']:.3g} "
            f"| {run['accuracy']:.1%} | {run['seconds']:.0f} |"
        )
        lines.append(line)
        print(line, flush=True)
    (output_dir / "modes.md").write_text("\n".join(lines) + "\n")
    print(f"\nSamples, and run.json with the losses of each, are in {output_dir}.")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "out/federated").resolve())
