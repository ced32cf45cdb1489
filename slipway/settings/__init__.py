"""Describe the settings of env/<name>.toml, a table a module; env/example.toml explains them."""
