"""attn_platform: published factor research on Chinese A shares as software-defined assets."""

import os

__version__ = "0.1.0"

# Threads that wait for each other must sleep, not spin: on a machine with other work, spinning OpenMP threads made a
# training step of 20 ms take 2 s. Read when the OpenMP runtime is loaded (with torch), hence here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
