"""Make and describe object storage: a provider a module, one line each in `provider`."""

from importlib import import_module

from slipway.environment import Environment
from slipway.storage.base import Provider

PROVIDERS = {
    "s3": ("s3", "S3Provider"),
    "azure": ("azure", "AzureProvider"),
    "volume": ("volume", "VolumeProvider"),
}


def provider(environment: Environment) -> Provider:
    """Return the provider that env/<name>.toml names."""
    module, name = PROVIDERS[environment.storage.provider]
    made: Provider = getattr(import_module(f"slipway.storage.{module}"), name)(environment)
    return made
