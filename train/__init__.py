"""From a version of the data to a model, its scores, and the comparison of two versions."""
