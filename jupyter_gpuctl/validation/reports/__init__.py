"""Reports of a validation, one module a format; ``json`` is the source of all others."""
