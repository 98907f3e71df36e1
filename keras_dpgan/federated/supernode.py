"""A Flower SuperNode that runs one app alone.

Flower sends the app's code from the server to the clients, who run it on their
records. Flower 1.27's `--trusted-entities` only warns where the server sends no
signature. Here the code must have the hash that the client gives, or the SuperNode ends
before any of it has run.

```sh
flwr build --app examples/federated  # What is read and agreed upon.
python -m keras_dpgan.federated.supernode --app-hash HASH --superlink ...
```

`HASH` is what `sha256sum` says of the `.fab` file that `flwr build` makes. All other
arguments are those of `flower-supernode`.
"""

import hashlib
import sys
import typing

_FLAG = "--app-hash"


class UnknownAppError(PermissionError):
    """A server has sent another app than the client has agreed to."""


def pin(module: typing.Any, app_hash: str) -> None:
    """Lets a SuperNode's module take one app alone.

    Args:
        module: `flwr.supernode.start_client_internal`.
        app_hash: String of 64 hexadecimal digits, the app's SHA-256.

    Raises:
        ValueError: If it is no such hash.
        RuntimeError: If this version of Flower reads apps in another way.
    """
    app_hash = app_hash.lower()
    if len(app_hash) != 64 or not set(app_hash) <= set("0123456789abcdef"):
        raise ValueError(
            f"`{_FLAG}` must be 64 hexadecimal digits, what `sha256sum` says of the "
            f"app's `.fab` file. Received: {app_hash!r:.80}"
        )
    # What every app passes through when it has come, before it is installed.
    read = getattr(module, "get_fused_config_from_fab", None)
    if read is None:
        raise RuntimeError(
            "This version of Flower reads apps in another way than 1.27 does, and no "
            'app can be pinned. Run: pip install "flwr==1.27.0"'
        )

    def checked(fab, *arguments):
        received = hashlib.sha256(fab).hexdigest()
        if received != app_hash:
            raise UnknownAppError(
                f"The server's app must have the hash {app_hash}. Received: "
                f"{received}. Nothing of it has run. Read the new app, and start the "
                "node with its hash, or ask the server's operator."
            )
        return read(fab, *arguments)

    module.get_fused_config_from_fab = checked


def main() -> None:
    """Starts the SuperNode."""
    if _FLAG not in sys.argv[:-1]:
        sys.exit(f"{_FLAG} must be given, with the hash of the app. {__doc__}")
    place = sys.argv.index(_FLAG)
    app_hash = sys.argv[place + 1]
    del sys.argv[place : place + 2]
    from flwr.supernode import start_client_internal
    from flwr.supernode.cli.flower_supernode import flower_supernode

    pin(start_client_internal, app_hash)
    flower_supernode()


if __name__ == "__main__":
    main()
