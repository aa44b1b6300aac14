"""Supervision and delivery: the root nursery, a child per feed, and the way to the broker."""
