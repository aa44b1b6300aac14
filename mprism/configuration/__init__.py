"""The configuration: files, environment and command line become `mprism.settings`."""

from mprism.configuration.conversion import ConfigurationError
from mprism.configuration.exchanges import COLLECTOR_FILE, EXCHANGE_FOLDER
from mprism.configuration.loading import (
    LOGGING_FILE,
    VARIABLES,
    Override,
    environment_overrides,
    in_force,
    load,
)
from mprism.configuration.secrets import mask

__all__ = [
    "COLLECTOR_FILE",
    "EXCHANGE_FOLDER",
    "LOGGING_FILE",
    "VARIABLES",
    "ConfigurationError",
    "Override",
    "environment_overrides",
    "in_force",
    "load",
    "mask",
]
