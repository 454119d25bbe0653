"""The load generator: thousands of viewers on one core, and a checker that misses nothing. Knows no Django.

Called by `manage.py loadtest`, which makes the video and the viewers. Read in this order:

- `wire`: bytes to blocks (HTTP, event streams, WebSocket), no I/O.
- `check`: what a viewer has seen; lost, doubled and out of order; frames shared by all viewers.
- `latency`: from the moment a request was sent to the moment each viewer read it.
- `viewers`: the connections, on one epoll.
- `requests`: likes and comments over a few kept-alive connections, paced by a schedule.
- `host`: what this machine allows, and what the site's processes cost on it.
- `run`: one load test from the first connection to the result; `report` prints it.
"""
