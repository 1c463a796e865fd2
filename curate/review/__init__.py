"""Looking at flags and deciding on them: decisions on disk, a local page, and a page to send round."""
