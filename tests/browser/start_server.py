"""Starts JupyterLab or Notebook as their commands do: ``python -P start_server.py lab|notebook …``.

jsonschema spends more than a second of CPU on a grammar for IRIs where ``rfc3987_syntax`` is
installed, and does without it where it isn't: nothing here has an IRI that could be wrong. Kernels,
and what the server starts besides, have it as they would.
"""

import sys

if __name__ == "__main__":
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
    command = sys.argv.pop(1)
    if command == "lab":
        from jupyterlab.labapp import main
    else:
        from notebook.app import main
    sys.exit(main())
