"""``python -m jupyter_gpuctl`` is ``jupyter gpuctl``."""

from .cli import main

main()
