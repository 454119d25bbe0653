"""Encoders that send SRT: many on one UDP port, each handed on to an ffmpeg. It knows no video, no framework.

ffmpeg speaks SRT, but its listener takes one caller and one passphrase. So the port is ours: we answer the beginning of
each handshake, learn from it who calls and whether the passphrase is right, and relay datagrams from then on.

Read in this order: `packet` (what is in a handshake), `keying` (passphrases), `cookies` (who really is at an address),
`caller` (one encoder), `server` (the port, limits).
"""
