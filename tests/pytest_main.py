"""Runs pytest under Bazel, where a target's size takes the place of `-m`."""

import sys

import pytest

if __name__ == "__main__":
    sys.exit(pytest.main(["-m", "", *sys.argv[1:]]))
