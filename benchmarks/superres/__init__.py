"""Quality and time of super-resolution on real films."""
