"""Planning new samples from old ones (recipes) and making their files."""
