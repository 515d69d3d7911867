"""Who gets which devices, when, and why not: pure, over a snapshot. Nothing here does anything."""
