"""What is in a polygon-labelled data set and how to read it: the ground floor of carpus."""

__version__ = "0.1.0"
