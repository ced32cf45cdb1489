"""Compare a folder with a bucket and bring one up to date with the other."""
