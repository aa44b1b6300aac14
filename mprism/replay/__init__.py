"""Recordings become the events that the collector would have published."""

from mprism.replay.recorded import Replay
from mprism.replay.summary import Summary

__all__ = ["Replay", "Summary"]
