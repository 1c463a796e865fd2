"""What the detectors do on real films, and the command that trains the network they share."""
