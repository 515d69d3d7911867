"""Quotas as people write them: reading, mistakes, and following the file."""
