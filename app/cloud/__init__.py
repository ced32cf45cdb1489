"""The app's side of the cloud: settings from the environment, storage, checks, masking, health.

A project needs `from cloud.settings import *` in its settings and "cloud" in INSTALLED_APPS.
"""
