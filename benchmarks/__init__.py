"""Speed, measured as ratios within one run: `python -m benchmarks`. See `README.md` beside this.

A loopback exchange sends prepared frames as fast as they are read to one process after the
other: to a bare trio-websocket loop, to each part of the way of a message, and to the whole
collector with a real nats-server behind it. What the stream holds afterwards is compared
with what was sent; a run that lost anything fails.
"""
