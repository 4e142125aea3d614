"""Reptile on characters."""

import os

# Before NumPy is imported: for matrices this small, more threads only get in the way.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
