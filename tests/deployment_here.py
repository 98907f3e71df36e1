"""A deployment by the app's deploy.sh, whose processes a test can kill."""

import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

APP = pathlib.Path(__file__).parents[1] / "examples" / "federated"
_PRESENT = APP.exists() and shutil.which("setsid") and os.path.exists("/proc/self")
POSSIBLE = pytest.mark.skipif(
    not _PRESENT, reason="needs the source tree, setsid and /proc"
)
# Fleet, Control and ServerAppIo API, then one ClientAppIo API for each node.
_PORTS = 10


class Deployment:
    """A context manager in which deploy.sh runs, and after which nothing does.

    Args:
        folder: The output directory.
        mode: The app's mode.
        *settings: Of the run, such as `"rounds=2"`.
        commands: A folder of commands that go before those of the environment.
        **environment: Variables for deploy.sh.
    """

    def __init__(self, folder, mode, *settings, commands=None, **environment):
        self.folder = pathlib.Path(folder)
        self.port = _free_ports()
        # The shell, too, has a variable by which its processes are found.
        self.environment = {
            **_environment(commands),
            "FLWR_HOME": str(self.folder / "flwr"),
            "BASE_PORT": str(self.port),
            "MAX_SECONDS": "360",
            **environment,
        }
        self._command = [APP / "deploy.sh", self.folder, mode, *settings]
        self._script = None
        self._started = []

    def __enter__(self):
        # So that a test that is stopped from outside leaves nothing, either.
        self._on_sigterm = signal.signal(signal.SIGTERM, _raise)
        self.folder.mkdir(exist_ok=True)
        with open(self.folder / "deploy.log", "w") as log:
            self._script = subprocess.Popen(
                self._command,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def __exit__(self, *error):
        try:
            self._script.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._script.wait(30)
        finally:
            for process in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            for process in (self._script, *self._started):
                process.wait()
            signal.signal(signal.SIGTERM, self._on_sigterm)

    def wait(self, seconds=400):
        """What the run says of itself, after deploy.sh has ended well."""
        code = self._script.wait(seconds)
        assert code == 0, self.log("deploy") + self.log("run")
        return json.loads((self.folder / "run.json").read_text())

    def wait_for(self, what, seconds=180):
        """Waits until a function returns something true, and returns it."""
        deadline = time.monotonic() + seconds
        while not (value := what()):
            assert time.monotonic() < deadline, self.log("run")
            assert self._script.poll() is None, self.log("deploy") + self.log("run")
            time.sleep(0.1)
        return value

    def log(self, name):
        """The text of a log, such as that of `"node-0"`."""
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def processes(self, *words):
        """The processes of the deployment whose command has all these words."""
        mark = f"FLWR_HOME={self.folder / 'flwr'}".encode()
        return [
            process
            for process in map(int, filter(str.isdigit, os.listdir("/proc")))
            if mark in _read(process, "environ")
            and all(word in _command_of(process) for word in words)
        ]

    def commands(self):
        """The commands of all processes of the deployment."""
        return [_command_of(process) for process in self.processes()]

    def node(self, number):
        """The process of a SuperNode; its group has that of its apps."""
        (process,) = self.processes("federated.supernode", f"partition-id={number} ")
        return process

    def flwr(self, *arguments):
        """Runs a command of Flower's for this deployment."""
        return subprocess.run(
            ["flwr", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, name, command):
        """Starts one more process, with a log of that name; returns it."""
        with open(self.folder / f"{name}.log", "a") as log:
            process = subprocess.Popen(
                command,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started.append(process)
        return process


def _raise(number, frame):
    raise SystemExit(128 + number)


def command_of(process):
    """The command by which a process was started, as a list."""
    return _read(process, "cmdline").decode().split("\0")[:-1]


def kill(process):
    """Kills a process, and the group that it may lead, as a loss of power would."""
    os.kill(process, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)


def _command_of(process):
    return " ".join(command_of(process))


def _read(process, name):
    try:
        return pathlib.Path(f"/proc/{process}/{name}").read_bytes()
    except OSError:
        # It has ended in the meantime.
        return b""


def _environment(commands):
    folders = [commands] if commands else []
    folders += [pathlib.Path(sys.executable).parent, os.environ["PATH"]]
    return {
        **os.environ,
        "PATH": os.pathsep.join(map(str, folders)),
        "PYTHONPATH": str(APP.parents[1]),
    }


def _free_ports():
    while True:
        first = random.randrange(20000, 30000, _PORTS)
        with contextlib.ExitStack() as sockets, contextlib.suppress(OSError):
            for port in range(first, first + _PORTS):
                sockets.enter_context(socket.create_server(("127.0.0.1", port)))
            return first
