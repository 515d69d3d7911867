"""``jupyter gpuctl VERB``: one module a verb."""
