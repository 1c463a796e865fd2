"""The ground floor: annotations, geometry, pixels, recipes and the one renderer."""
