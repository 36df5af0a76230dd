"""What the commands do; their arguments stand in ``__main__``."""
