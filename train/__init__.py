"""From a version of the data to a model, its scores, and the comparison of two versions."""

import os

# Threads of a network wait for one another many times a step. By default they do so at full speed, and where another
# process wants the same cores a step then takes ten times as long; asleep they cost it next to nothing. Read by the
# OpenMP library when torch loads it, hence here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
