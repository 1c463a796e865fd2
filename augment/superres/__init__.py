"""Super-resolution of films: networks and their weights, tiling, back-projection, and a measure of what is invented."""
