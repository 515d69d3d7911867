"""The machine around the GPUs: its processes, its limits, its disk."""
