"""Read and write the bytes of an object storage: the only door to them."""
