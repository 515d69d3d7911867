"""What jupyter-gpuctl costs, beside its peers: ``python -m benchmarks``."""
