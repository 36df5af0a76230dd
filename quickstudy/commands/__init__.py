"""What the commands do; what they take stands in ``arguments``."""
