"""What a set of films holds, and how two sets differ: measured, summed up, compared, tabled and drawn."""
