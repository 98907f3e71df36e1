"""The command `keras-dpgan`, whose first argument names what to do."""

import importlib
import sys

from absl import app

_COMMANDS = {
    "synthesize": ("keras_dpgan.cli.synthesize", "synthetic rows of a private CSV"),
    "schema": ("keras_dpgan.tables.draft", "a draft of a schema from a public CSV"),
    "report": ("keras_dpgan.cli.report_table", "how good a synthetic CSV is"),
    "sample": ("keras_dpgan.cli.sample", "samples of an export"),
    "evaluate": ("keras_dpgan.cli.evaluate", "how good an export of images is"),
    "ledger": ("keras_dpgan.privacy.ledger.__main__", "what was spent on private data"),
}


def main():
    """Runs the command that the first argument names."""
    name = sys.argv[1] if len(sys.argv) > 1 else None
    if name not in _COMMANDS:
        lines = [f"  keras-dpgan {name} ... {of[1]}" for name, of in _COMMANDS.items()]
        sys.exit("\n".join(["Give one of these commands; --help after it:", *lines]))
    module = importlib.import_module(_COMMANDS[name][0])
    if name == "ledger":
        module.main(sys.argv[2:])
        return
    module.define_flags()
    app.run(module.main, [f"keras-dpgan {name}", *sys.argv[2:]])


if __name__ == "__main__":
    main()
