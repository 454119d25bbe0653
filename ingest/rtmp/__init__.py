"""Encoders that send RTMP: their bytes in, FLV out. It knows no video and no framework.

Read in this order: `chunks` (bytes to messages), `amf0` (values in them), `handshake`, `session` (what an encoder says
and gets back, without a socket), `flv` (messages as a file), `health` (how the stream is doing), `publish` (what the
rest of the ingest sees), `server` (sockets, limits, waiting).
"""
