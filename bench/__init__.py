"""Measure Slipway beside its peers: `python -m bench.<subject> [--quick] [--json FILE]`.

A subject is a module with a `main` that hands its runs to `bench.harness.main`. The tools take
turns in rounds, so that whatever else a machine does meets all of them.
"""
