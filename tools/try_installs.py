"""Tries every install command of the documentation as a newcomer would.

python tools/try_installs.py                     all of them, in about 15 minutes
python tools/try_installs.py docs/federated.md   those of some pages

Each `pip install` of the package itself gets a copy of the files that git knows and a
fresh virtual environment there; the other `pip install` lines of the page follow. Then
run `pip check`, the page's Python blocks (after the quick start, from which other pages
go on), and the rest of the shell block that the command stands in, with the
page's other `python -m` lines.
"""

import dataclasses
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
# Parts of a contribution, not programs.
NO_PROGRAM = {"CONTRIBUTING.md"}
# Gigabytes of CUDA: what would be installed is resolved, not downloaded to run here.
RESOLVED_ONLY = "[gpu]"
# Commands that do not end.
SERVERS = {"tensorboard"}
_SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_OF_THE_PACKAGE = re.compile(r'^pip install (--editable )?"?\.')


@dataclasses.dataclass(frozen=True)
class Trial:
    """What is tried in one environment.

    Attributes:
        page: The page, a path relative to the repository.
        installs: The `pip install` lines, of which the first installs the package.
        commands: What is run after the page's Python blocks.
    """

    page: str
    installs: tuple
    commands: tuple


def pages():
    """The pages that have install commands, relative to the repository."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]
    return sorted(page.relative_to(ROOT).as_posix() for page in found)


def trials(page):
    """The trials of a page, one for each line that installs the package."""
    starts, others, modules = [], [], []
    for block in _SHELL.findall((ROOT / page).read_text(encoding="utf-8")):
        lines = joined(block)
        installs = [line for line in lines if line.startswith("pip install ")]
        of_the_package = [line for line in installs if _OF_THE_PACKAGE.match(line)]
        others += [line for line in installs if line not in of_the_package]
        if of_the_package:
            rest = lines[lines.index(installs[-1]) + 1 :]
            starts += [(line, rest) for line in of_the_package]
        else:
            modules += [line for line in lines if line.startswith("python -m ")]
    return [Trial(page, (line, *others), (*modules, *rest)) for line, rest in starts]


def joined(block):
    """The commands of a shell block, those on several lines made one."""
    lines = block.replace("\\\n", " ").splitlines()
    return [line.split("  #")[0].strip() for line in lines]


def program(page):
    """The Python program that runs a page's blocks, or the README's."""
    text = (ROOT / page).read_text(encoding="utf-8")
    lines = [f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r})"]
    lines += ["import docs_snippets"]
    if page == "README.md" or not re.search("^```python", text, re.MULTILINE):
        lines += ["docs_snippets.run_readme_with_less_data()"]
    else:
        lines += ["names = docs_snippets.run('docs/index.md', {})"]
        lines += [f"docs_snippets.run({page!r}, names)"] * (page != "docs/index.md")
    return "\n".join(lines)


class Newcomer:
    """A copy of the repository with a virtual environment of its own."""

    def __init__(self, folder, log):
        self.clone = pathlib.Path(folder) / "clone"
        self.scratch = pathlib.Path(folder) / "scratch"
        self.scratch.mkdir()
        self.log = log
        self.environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        self.run(f"git clone --quiet {shlex.quote(str(ROOT))} clone", folder)
        self.run(f"{shlex.quote(sys.executable)} -m venv .venv", self.clone)
        bin_folder = self.clone / ".venv" / "bin"
        self.environment["PATH"] = f"{bin_folder}:{self.environment['PATH']}"
        self.environment["VIRTUAL_ENV"] = str(bin_folder.parent)

    def run(self, command, folder=None):
        """Runs a shell command in the scratch folder, or another one."""
        self.log.write(f"$ {command}\n")
        self.log.flush()
        subprocess.run(
            command,
            shell=True,
            check=True,
            cwd=folder or self.scratch,
            env=self.environment,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )

    def tries(self, trial):
        if RESOLVED_ONLY in trial.installs[0]:
            self.run(trial.installs[0] + " --dry-run", self.clone)
            return
        for line in trial.installs:
            self.run(line, self.clone)
        self.run("pip check")
        if trial.page not in NO_PROGRAM:
            self.run(f"python -c {shlex.quote(program(trial.page))}")
        for command in trial.commands:
            if command.split()[0] not in SERVERS:
                of_the_clone = command.startswith(("make", "examples/", "python tools"))
                self.run(command, self.clone if of_the_clone else None)


def main(wanted):
    failed = 0
    logs = ROOT / "out" / "installs"
    logs.mkdir(parents=True, exist_ok=True)
    todo = [trial for page in wanted or pages() for trial in trials(page)]
    for number, trial in enumerate(todo):
        start = time.monotonic()
        log = logs / f"{number}.log"
        with tempfile.TemporaryDirectory() as folder, open(log, "w") as file:
            try:
                Newcomer(folder, file).tries(trial)
                result = "ok"
            except subprocess.CalledProcessError:
                failed += 1
                result = f"FAILED, see {log.relative_to(ROOT)}"
        minutes = (time.monotonic() - start) / 60
        commands = "; ".join((*trial.installs, *trial.commands))
        print(f"{minutes:5.1f} min  {trial.page}: {commands}: {result}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) > 0)
