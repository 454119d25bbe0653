"""From fragments of MP4 to the files that players ask for: parts, segments and playlists of low-latency HLS.

Bytes go one way: `boxes` cuts them, `movie`, `codecs` and `fragments` read what they say, `timeline` gives them their
place in time, `packager` decides where segments begin, `playlist`, `recording` and `retention` say which files are
listed, kept and deleted. A store keeps them (web.store). Nothing here decodes, knows a video or waits for anything.
Sources: ISO/IEC 14496-12 (boxes), ISO/IEC 23000-19 (CMAF), RFC 8216 and draft-pantos-hls-rfc8216bis (playlists).
"""

from ingest.packager.boxes import MalformedBox
from ingest.packager.durations import Durations
from ingest.packager.packager import Packager

__all__ = ["Durations", "MalformedBox", "Packager"]
