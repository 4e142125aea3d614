"""Tests take one thread of BLAS each. (This is read before NumPy is imported.)"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
