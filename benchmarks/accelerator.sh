#!/bin/sh
# Is a clip kept on this accelerator, and what does an update cost there? At most ten
# minutes; writes accelerator.json and accelerator.md.
#
#     benchmarks/accelerator.sh [--size=small] [--out=FOLDER]
#
# PYTHON names the Python that has keras_dpgan; by default that of `make`.
cd "$(dirname "$0")/.." || exit 1
# Contenders are processes that share one device's memory.
export TF_FORCE_GPU_ALLOW_GROWTH=true
exec timeout 600 "${PYTHON:-.venv/bin/python}" benchmarks/accelerator.py "$@"
