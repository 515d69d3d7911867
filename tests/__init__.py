"""Tests of jupyter-gpuctl."""
