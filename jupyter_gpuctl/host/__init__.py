"""The machine around the GPUs: its processes, its limits, its disk. Linux first, never fatal elsewhere."""
