"""Course checks of the notebook as it lies there, without running it."""
