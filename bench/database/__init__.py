"""Measure pushing a database, beside the tools that people use for it."""
