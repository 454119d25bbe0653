"""One encoder's RTMP without a socket: what it says, and what it gets back."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.rtmp import amf0
from ingest.rtmp.chunks import BadRtmp, RtmpMessage
from ingest.rtmp.session import EARLY_MAX_BYTES, PublishRequest, RtmpSession, SessionEvent, StreamEnded
from tests.ingest.rtmp import client
from tests.ingest.rtmp.client import AUDIO, COMMAND, DATA, FRAME, PATIENT, VIDEO, Reply, message, replies, said

MOST = 200_000
HANDSHAKE_ANSWER = 1 + 2 * 1536
ACKNOWLEDGEMENT, USER_CONTROL = 3, 4


class Talk:
    """A session whose wish to publish is granted, and what came of it."""

    def __init__(self) -> None:
        self.session = RtmpSession(message_max_bytes=MOST)
        self.requests: list[PublishRequest] = []
        self.media: list[tuple[int, bytes]] = []
        self.has_ended = False

    def send(self, data: bytes) -> list[Reply]:
        """Have the session take bytes; return what it says."""
        before = bool(self.session.outgoing)
        assert not before
        for event in self.session.receive(data):
            self._note(event)
        answer = bytes(self.session.outgoing)
        self.session.outgoing.clear()
        return replies(
            answer[HANDSHAKE_ANSWER:] if answer[:1] == b"\x03" and len(answer) >= HANDSHAKE_ANSWER else answer
        )

    def _note(self, event: SessionEvent) -> None:
        if isinstance(event, RtmpMessage):
            self.media.append((event.kind, bytes(event.payload)))
        elif isinstance(event, PublishRequest):
            self.requests.append(event)
            self.session.accept()
        else:
            assert isinstance(event, StreamEnded)
            self.has_ended = True


@pytest.fixture
def talk() -> Talk:
    return Talk()


@pytest.fixture
def publishing(talk: Talk) -> Talk:
    talk.send(client.opening())
    return talk


def results(answers: list[Reply]) -> list[list[amf0.Value]]:
    return [reply.values for reply in answers if reply.kind == COMMAND]


def test_handshake_sends_the_bytes_of_the_encoder_back() -> None:
    """An encoder that signs its bytes (OBS with RTMPE libraries, ffmpeg) is answered as a plain one."""
    session = RtmpSession(message_max_bytes=MOST)
    theirs = b"\0\0\0\0\x80\0\7\2" + bytes(range(256)) * 6
    for at in range(0, len(theirs), 100):
        assert list(session.receive((b"\x03" if not at else b"") + theirs[at : at + 100])) == []
    answer = bytes(session.outgoing)
    assert (len(answer), answer[0]) == (HANDSHAKE_ANSWER, 3)
    assert answer[1 + 1536 :] == theirs[:1536]


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", b"\x06", b"\x16\x03\x01\x02\0"])
def test_other_protocols_are_known_by_their_first_byte(talk: Talk, data: bytes) -> None:
    with pytest.raises(BadRtmp):
        talk.send(data)


def test_encoder_asks_to_publish_and_may_begin(talk: Talk) -> None:
    answers = talk.send(client.opening("secret", "live"))
    assert talk.requests == [PublishRequest("live", "secret")]
    [connected, *others] = results(answers)
    assert connected[:2] == ["_result", 1.0]
    assert others[:3] == [["_result", 2.0, None], ["_result", 3.0, None], ["_result", 4.0, None, 1.0]]
    assert others[3][3] == {
        "level": "status",
        "code": "NetStream.Publish.Start",
        "description": "The stream may begin.",
    }


def test_encoder_is_told_the_chunk_size_before_the_first_long_answer(talk: Talk) -> None:
    kinds = [reply.kind for reply in talk.send(client.HANDSHAKE + client.connect())]
    assert kinds == [5, 6, 1, COMMAND]


def test_encoder_that_knows_enhanced_rtmp_hears_that_its_codecs_are_welcome(talk: Talk) -> None:
    [connected] = results(talk.send(client.HANDSHAKE + client.connect(fourCcList=["av01", "hvc1"])))
    server, info = connected[2:]
    assert isinstance(server, dict)
    assert isinstance(info, dict)
    assert isinstance(server["fourCcList"], list)
    assert {"avc1", "hvc1", "av01"} <= set(map(str, server["fourCcList"]))
    assert info["fourCcList"] == server["fourCcList"]


def test_encoder_that_knows_none_of_it_hears_nothing_of_it(talk: Talk) -> None:
    [connected] = results(talk.send(client.HANDSHAKE + client.connect()))
    assert "fourCcList" not in str(connected)


def test_commands_in_the_form_of_amf3_are_understood(talk: Talk) -> None:
    talk.send(client.HANDSHAKE + client.connect(objectEncoding=3))
    talk.send(message(17, b"\0" + amf0.encode("publish", 5, None, "key", "live"), id=3))
    assert talk.requests == [PublishRequest("live", "key")]


@pytest.mark.parametrize("name", [None, 5.0, {}])
def test_name_that_is_no_text_is_empty(talk: Talk, name: amf0.Value) -> None:
    talk.send(client.HANDSHAKE + client.connect() + client.publish(name))
    assert talk.requests == [PublishRequest("live", "")]


def test_refused_encoder_hears_why(talk: Talk) -> None:
    talk.send(client.HANDSHAKE + client.connect())
    talk.session.refuse("This key is not known.")
    assert said(bytes(talk.session.outgoing)) == [("NetStream.Publish.Rejected", "This key is not known.")]


def test_one_that_never_connected_hears_nothing(talk: Talk) -> None:
    talk.send(client.HANDSHAKE)
    talk.session.refuse("It took too long.")
    assert not talk.session.outgoing


def test_picture_passes_as_it_came(publishing: Talk) -> None:
    publishing.send(message(VIDEO, FRAME + b"x") + message(AUDIO, b"\xaf\1y") + message(VIDEO, b"\x91hvc1\0\0\0"))
    assert publishing.media == [(VIDEO, FRAME + b"x"), (AUDIO, b"\xaf\1y"), (VIDEO, b"\x91hvc1\0\0\0")]


def test_picture_that_comes_before_the_wish_is_not_taken(talk: Talk) -> None:
    talk.send(client.HANDSHAKE + client.connect() + message(VIDEO, FRAME))
    assert talk.media == []


def test_facts_come_as_a_file_has_them(publishing: Talk) -> None:
    facts = amf0.encode("onMetaData", {"width": 640.0})
    publishing.send(message(DATA, amf0.encode("@setDataFrame") + facts) + message(DATA, facts))
    publishing.send(message(15, b"\0" + amf0.encode("@setDataFrame") + facts))
    publishing.send(message(DATA, amf0.encode("@clearDataFrame", "onMetaData")))
    assert publishing.media == [(DATA, facts)] * 3


def test_empty_messages_are_passed_over(publishing: Talk) -> None:
    publishing.send(message(VIDEO, b"") + message(DATA, b"") + message(AUDIO, b""))
    assert publishing.media == []


def test_second_stream_of_a_connection_is_left_out(publishing: Talk) -> None:
    """OBS sends one for each further sound that is switched on, and goes on if it is refused."""
    [made] = results(publishing.send(client.command("createStream", 6, None)))
    assert made == ["_result", 6.0, None, 2.0]
    wish = amf0.encode("publish", 7, None, "sound", "live")
    [refused] = results(publishing.send(b"".join(client.chunks(COMMAND, wish, id=3, stream_id=2))))
    assert "NetStream.Publish.Rejected" in str(refused)
    publishing.send(b"".join(client.chunks(AUDIO, b"\xaf\1b", id=5, stream_id=2)) + message(AUDIO, b"\xaf\1a"))
    assert publishing.media == [(AUDIO, b"\xaf\1a")]


@pytest.mark.parametrize("name", ["FCUnpublish", "deleteStream", "closeStream"])
def test_encoder_ends_its_stream(publishing: Talk, name: str) -> None:
    publishing.send(client.command(name, 6, None, 1))
    assert publishing.has_ended


def test_end_before_the_beginning_is_none(talk: Talk) -> None:
    """Some encoders tidy up first."""
    talk.send(client.HANDSHAKE + client.connect() + client.command("deleteStream", 0, None, 1) + client.publish("key"))
    assert (len(talk.requests), talk.has_ended) == (1, False)


def test_ping_is_answered(publishing: Talk) -> None:
    assert publishing.send(message(USER_CONTROL, b"\0\6\0\0\1\2", id=2)) == [Reply(USER_CONTROL, b"\0\7\0\0\1\2")]


def test_bytes_are_acknowledged_by_the_encoders_window(publishing: Talk) -> None:
    publishing.send(message(5, struct.pack(">I", 10_000), id=2))
    [first] = publishing.send(message(VIDEO, FRAME + bytes(20_000)))
    assert first.kind == ACKNOWLEDGEMENT
    assert first.number > 20_000
    assert publishing.send(message(VIDEO, FRAME)) == []
    [second] = publishing.send(message(VIDEO, FRAME + bytes(10_000)))
    assert second.number > first.number + 10_000


def test_chunk_size_of_the_encoder_counts(publishing: Talk) -> None:
    publishing.send(message(1, struct.pack(">I", 60_000), id=2))
    publishing.send(message(VIDEO, FRAME + bytes(100_000), chunk_bytes=60_000))
    publishing.send(message(1, struct.pack(">I", 1), id=2))
    publishing.send(message(VIDEO, FRAME + bytes(1_000), chunk_bytes=1))
    assert [len(payload) for _, payload in publishing.media] == [100_005, 1_005]


def test_aborted_message_does_not_come(publishing: Talk) -> None:
    [first, *_] = client.chunks(VIDEO, FRAME + bytes(300))
    publishing.send(first + message(2, struct.pack(">I", 4), id=2) + message(VIDEO, FRAME))
    assert publishing.media == [(VIDEO, FRAME)]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (message(1, bytes(4), id=2), "chunks of no bytes"),
        (client.command("play", 0, None, "key"), "plays none"),
        (message(COMMAND, b"\x02\0", id=3), "ends too early"),
        (message(COMMAND, amf0.encode(1, 2), id=3), "without a name"),
        (message(COMMAND, b"", id=3), "without a name"),
        (message(COMMAND, bytes(70_000), id=3), "too long"),
        (message(VIDEO, bytes(MOST + 1)), "more than is taken"),
    ],
)
def test_what_is_wrong_is_said(publishing: Talk, data: bytes, words: str) -> None:
    with pytest.raises(BadRtmp, match=words):
        publishing.send(data)


def test_wish_before_the_connection_is_wrong(talk: Talk) -> None:
    with pytest.raises(BadRtmp, match="before it connected"):
        talk.send(client.HANDSHAKE + client.publish("key"))


def test_one_without_a_key_cannot_send_much(talk: Talk) -> None:
    talk.send(client.HANDSHAKE + client.connect())
    with pytest.raises(BadRtmp, match="too much"):
        for _ in range(EARLY_MAX_BYTES // 1000 + 1):
            talk.send(message(VIDEO, bytes(1000)))


def test_one_without_a_key_may_send_no_large_message(talk: Talk) -> None:
    with pytest.raises(BadRtmp, match="more than is taken"):
        talk.send(client.HANDSHAKE + client.connect() + message(VIDEO, bytes(70_000)))


@PATIENT
@given(st.lists(st.tuples(st.integers(0, 22), st.binary(max_size=40)), max_size=5), st.booleans())
def test_any_messages_are_followed_or_wrong(messages: list[tuple[int, bytes]], is_publishing: bool) -> None:
    talk = Talk()
    talk.send(client.opening() if is_publishing else client.HANDSHAKE)
    try:
        for kind, payload in messages:
            talk.send(message(kind, payload))
    except BadRtmp as error:
        assert str(error)
