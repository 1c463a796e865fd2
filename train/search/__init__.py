"""Many trainings from one command: tuning over a configuration, and a queue of configurations."""
