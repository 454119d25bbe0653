"""The load generator: 10,000 viewers on half a core, and a checker that misses nothing.

`manage.py loadtest` (`management/commands/loadtest.py`) makes the video and the viewers (`stage`) and runs the load
test. These two know Django and the site's models. All other modules know neither. Nothing of the site imports this
package. Read in this order:

- `wire`: bytes to blocks (HTTP, event streams, WebSocket), no I/O.
- `check`: what a viewer has seen; lost, doubled and out of order; frames shared by all viewers.
- `latency`: from the moment a request was sent to the moment each viewer read it.
- `connection`: one viewer and its socket; `unruly`: viewers that read slowly, or come and go.
- `viewers`: all connections of one process, on one epoll.
- `watcher`, `audience`: the processes that watch, and the one that started them.
- `requests`: likes and comments over a few kept-alive connections or WebSockets, paced by a schedule.
- `acknowledger`: acknowledges frames where the site asks for it, as a page does.
- `hops`, `machine`: what the nodes have measured; what this machine allows, and what the site's processes cost on it.
- `run`: one load test from the first connection to the result; `report` prints it, `page` (with `plots`) draws it.
"""
