"""Health, status and metrics over HTTP: reads the collector's state, changes nothing.

This package imports nothing of its modules, so that `mprism.http.probe` starts fast.
"""
