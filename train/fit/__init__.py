"""One run: the step, its losses and schedules, what is logged and kept."""
