"""Layouts in which data sets come, one file each."""
