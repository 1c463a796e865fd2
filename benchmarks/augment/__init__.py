"""How fast offline operators make files, against what people use today: ``python -m benchmarks.augment``."""
