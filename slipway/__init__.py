"""Provision, deploy and synchronise a Django site on your own servers and cloud accounts."""

__version__ = "0.1.0"
