"""Run a cloud on this machine: hosts with engines of their own, and an S3 server."""
