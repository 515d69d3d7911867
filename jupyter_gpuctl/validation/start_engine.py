"""Starts the engine: ``python -m jupyter_gpuctl.validation.start_engine FD``.

jsonschema, which nbformat loads, spends a second of CPU to build a grammar for IRIs where
``rfc3987_syntax`` is installed (jupyter_events asks for it), and the engine is started anew for
each notebook. Notebooks hold no IRIs, and jsonschema does without a module that isn't there.
"""

import sys

if __name__ == "__main__":
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

    from .engine_start import main

    main()
