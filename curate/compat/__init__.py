"""Repairs of other people's packages that more than one part of the house needs."""
