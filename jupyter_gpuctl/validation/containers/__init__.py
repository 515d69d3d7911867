"""Kernels in containers: what is prepared once, and how one notebook is held to its limits."""
