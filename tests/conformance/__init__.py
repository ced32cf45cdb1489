"""Test against real servers on this machine."""
