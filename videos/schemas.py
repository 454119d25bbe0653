"""What the API of videos takes and gives, as OpenAPI shows it."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from ninja import Schema
from pydantic import Field

from accounts.schemas import Person, PersonWithPicture
from realtime.answers import In
from screening.models import AGE_MAX_MINUTES, SLOW_MAX_SECONDS, TEXT_MAX
from videos.models import LikeKind, Video
from videos.reactions import REACTION_KINDS, REACTION_MAX
from videos.text import PLAYLIST, SOURCE
from web.schemas import SEEN_TEXT, TEXT, UNCHANGED, Body, ClientId, Id, Milliseconds
from web.text import TITLE_MAX

Title = Annotated[str, Field(min_length=1, max_length=TITLE_MAX, json_schema_extra={"pattern": SEEN_TEXT})]
Description = Annotated[str, Field(max_length=2_000, json_schema_extra={"pattern": TEXT})]
Playlist = Annotated[
    str,
    Field(
        max_length=300,
        description="An HLS playlist on this site, or at an origin that its administrator allows; or empty.",
        json_schema_extra={"pattern": rf"^({PLAYLIST.pattern})?$"},
    ),
]
PictureSource = Annotated[
    str,
    Field(
        max_length=300,
        description="An address of RTSP or HLS that the site fetches the picture from, at an origin that its "
        "administrator allows; or empty. Only the broadcaster reads it again (`getPicture`).",
        json_schema_extra={"pattern": rf"^({SOURCE.pattern})?$"},
    ),
]
Visibility = Literal["public", "unlisted", "private"]


class VideoIn(In):
    title: Title = Field(examples=["Sunrise over the lake"])
    description: Description = ""
    visibility: Visibility = "public"
    comments_enabled: bool = True
    playlist: Playlist = ""
    source: PictureSource = ""
    starts_itself: bool = Field(True, description="Goes live when the picture comes; else by `startVideo`.")
    is_recorded: bool = Field(True, description="Can be watched when it has ended.")
    comments_after_end: bool = Field(False, description="Viewers may comment when it has ended.")
    starts_at_ms: Milliseconds | None = None


class VideoPatch(In):
    title: Title = UNCHANGED
    description: Description = UNCHANGED
    visibility: Visibility = UNCHANGED
    comments_enabled: bool = UNCHANGED
    playlist: Playlist = UNCHANGED
    source: PictureSource = UNCHANGED
    starts_itself: bool = UNCHANGED
    is_recorded: bool = UNCHANGED
    comments_after_end: bool = UNCHANGED
    starts_at_ms: Milliseconds | None = None


class TrimIn(In):
    from_ms: Milliseconds = Field(description="Segments that end before are deleted.")
    to_ms: Milliseconds = Field(description="Segments that begin after are deleted.")


class CaptionsIn(In):
    text: str = Field(description="WebVTT or SubRip. Of it the cues are kept.")
    goes_on: bool = Field(False, description="Add the cues to those that there are. A long text comes in pieces.")


class LikeIn(In):
    kind: Literal["like", "celebrate", "support", "love", "insightful", "funny"] = "like"


class CommentIn(In):
    body: Body = Field(examples=["Good morning!"])
    reply_to: Id | None = None
    client_id: ClientId | None = Field(None, description="Your own id of it: sent again, it answers the same comment.")


class CommentPatch(In):
    body: Body = Field(examples=["Good morning, all!"])


class ReactionIn(In):
    kind: Literal["heart", "clap", "fire", "laugh", "wow"] = "heart"
    count: Annotated[int, Field(ge=1, le=REACTION_MAX)] = 1


class DeletedOut(Schema):
    act: UUID
    deleted: int


class Author(PersonWithPicture):
    role: Literal["broadcaster", "moderator"] | None


class Likes(Schema):
    total: int
    kinds: dict[str, int]


class MyLike(Likes):
    mine: str | None


class Viewers(Schema):
    count: int
    peak: int


class ViewersOut(Viewers):
    unique: int = Field(description="how many viewers there were in all, each counted once")
    people: list[Author] | None
    known: int


class FriendsOut(Schema):
    people: list[PersonWithPicture] = Field(description="The first three, by name.")
    count: int


class PictureOut(Schema):
    """What comes from the encoder. "": nothing is known of it, as of a playlist that was set by hand."""

    state: Literal["", "waiting", "live", "stalled", "gone"]
    since_ms: int | None


class StreamKeyOut(Schema):
    key: str
    servers: dict[str, str] = Field(
        description="Where an encoder sends its picture, by protocol. The address of `srt` has the key in it."
    )
    trouble: str = Field(description="Why a picture of yours was not taken within the last minute; or empty.")


class EncoderHealth(Schema):
    """What an encoder sends. Codecs are four letters, empty before one has come."""

    bits_per_second: int
    frames_per_second: float
    keyframe_seconds: float | None = Field(description="Between the last two keyframes.")
    has_rare_keyframes: bool = Field(description="More than 4 s: players begin and go on late.")
    video: str
    audio: str
    width: int
    height: int
    jumps: int = Field(description="How often time jumped in what was sent.")


class DiskOut(Schema):
    free_bytes: int | None = Field(description="Room for recordings.")
    hour_bytes: int = Field(description="What an hour of the picture takes.")


class PictureHealth(Schema):
    state: str
    trouble: str = Field(description="The last thing that went wrong, in words.")
    encoder: EncoderHealth | None
    source: str = Field(description="The address that the picture is fetched from; or empty.")
    disk: DiskOut


class RecordingOut(Schema):
    ready: bool = Field(description="Viewers can watch it.")
    seconds: float
    bytes: int
    from_ms: int | None = Field(description="When its first segment was filmed.")
    to_ms: int | None
    download: str = Field(description="The path of it as one file (MP4); empty: nobody has asked for that yet.")
    is_making: bool = Field(description="The file is being made.")


class ThumbnailOut(Schema):
    path: str = Field(description="Of the picture, with its time.")


class EmojiOut(Schema):
    code: str = Field(description="What stands between two colons in a text.", examples=["wave"])
    url: str = Field(description="Of its picture, on this site.")


class EmojiList(Schema):
    items: list[EmojiOut]


class VideoOut(Schema):
    id: UUID
    topic: str
    title: str
    description: str
    status: Literal["upcoming", "live", "ended"]
    visibility: Literal["public", "unlisted", "private"]
    broadcaster: Person
    comments_enabled: bool
    playlist: str
    picture: PictureOut
    starts_itself: bool
    is_recorded: bool
    comments_after_end: bool
    captions: list[str] = Field(description="The languages of its captions.")
    has_board: bool = Field(description="There is something beside the picture, or was: `getBoard` has it.")
    starts_at_ms: int | None
    started_at_ms: int | None
    ended_at_ms: int | None
    epoch: str
    seq: int
    likes: Likes
    viewers: Viewers


class VideoPage(Schema):
    items: list[VideoOut]
    next: UUID | None = Field(description="The `cursor` of the following page.")


class CaptionsOut(Schema):
    cues: int = Field(description="How many came. None: nothing was changed.")


class CommentOut(Schema):
    id: UUID
    author: Author
    body: str
    reply_to: UUID | None
    client_id: str | None
    seq: int
    at_ms: int
    pinned: bool
    edited_at_ms: int | None = Field(description="null: it never was.")


class VersionOut(Schema):
    body: str
    at_ms: int = Field(description="Since when it said so.")


class VersionPage(Schema):
    items: list[VersionOut] = Field(description="The oldest first. What it says now is not among them.")


class CommentPage(Schema):
    items: list[CommentOut]
    next: int | None = Field(description="The `before` of the following page.")


class HeldNow(Schema):
    id: UUID
    detail: str


class HeldOut(Schema):
    """It waits for a moderator."""

    held: HeldNow


class HeldCommentOut(Schema):
    id: UUID
    kind: Literal["comment", "question"]
    video_id: UUID
    author: Person
    body: str
    reply_to: UUID | None
    at_ms: int
    reason: str = Field(description="The entry of a list that it fits, or what the site's own program says.")


class ApprovedQuestion(Schema):
    """A question that was held, as viewers see it now."""

    id: int
    body: str
    author: Person
    asked_at_ms: int
    answering_at_ms: int | None
    answered_at_ms: int | None


class HeldPage(Schema):
    items: list[HeldCommentOut]


Minutes = Annotated[int, Field(ge=0, le=AGE_MAX_MINUTES)]
SlowSeconds = Annotated[int, Field(ge=0, le=SLOW_MAX_SECONDS, description="0: no slow mode.")]


class RulesOut(Schema):
    """They bind all but the broadcaster and moderators."""

    slow_seconds: int
    account_minutes: int | None = Field(description="Only accounts that are as old; null: guests too.")
    follow_minutes: int | None = Field(description="Only those who have followed for as long; null: all.")
    emoji_only: bool
    links_off: bool
    capitals_off: bool
    repeats_off: bool
    shield: bool = Field(description="The gate closes by itself when an attack is noticed.")
    raids_off: bool = Field(description="Other broadcasters cannot send their viewers here.")


class RulesIn(In):
    slow_seconds: SlowSeconds = UNCHANGED
    account_minutes: Minutes | None = UNCHANGED
    follow_minutes: Minutes | None = UNCHANGED
    emoji_only: bool = UNCHANGED
    links_off: bool = UNCHANGED
    capitals_off: bool = UNCHANGED
    repeats_off: bool = UNCHANGED
    shield: bool = UNCHANGED
    raids_off: bool = UNCHANGED


class GateIn(In):
    minutes: Annotated[int, Field(ge=1, le=1_440)] = Field(10, description="It opens by itself after that.")
    back_minutes: Annotated[int, Field(ge=0, le=60)] = Field(
        5, description="Those who came to the site within that time are newcomers too, and what they wrote goes."
    )


class GateState(Schema):
    since_ms: int = Field(description="Who came to the site after that is a newcomer.")
    until_ms: int


class GateOut(Schema):
    gate: GateState | None


class GateClosed(Schema):
    gate: GateState
    deleted: int = Field(description="Comments that were taken away. Questions go, too.")


class WordsOut(Schema):
    refused: str
    held: str


WordsText = Annotated[str, Field(max_length=TEXT_MAX, json_schema_extra={"pattern": TEXT})]


class WordsIn(In):
    refused: WordsText = Field(description="Comments with these are refused.", examples=["spam\\nbuy followers"])
    held: WordsText = Field("", description="Comments with these wait for a moderator.")


class CommentThread(Schema):
    items: list[CommentOut]


class TimelinePoint(Schema):
    at_ms: int
    likes: int = Field(description="How many more than before.")
    reactions: int
    comments: int
    viewers: int = Field(description="The highest number of them.")


class Peak(Schema):
    at_ms: int
    activity: int = Field(description="Likes and comments.")


class TimelineOut(Schema):
    from_ms: int
    to_ms: int
    step_ms: int
    points: list[TimelinePoint]
    peaks: list[Peak]


class ReportViewers(Schema):
    """`peak`: the most at once; `average`: over the time of the broadcast; `unique`: each of them once."""

    peak: int
    average: float
    unique: int


class TopComment(Schema):
    comment: CommentOut
    answers: int


class ReportOut(Schema):
    """While the video is live, until now. The curve of a broadcast longer than a day is that of its last day."""

    from_ms: int
    to_ms: int
    seconds: float = Field(description="From the start to the end.")
    viewers: ReportViewers
    minutes_watched: float = Field(description="By all viewers together.")
    likes: Likes
    reactions: int
    comments: int
    step_ms: int
    points: list[TimelinePoint]
    moments: list[TimelinePoint] = Field(description="When most was liked and commented, the highest first.")
    top_comments: list[TopComment] = Field(description="With the most answers; then those that were on top.")


class ReplayStep(Schema):
    """5 seconds: all likes and viewers by their end, the reactions and comments in them."""

    at_ms: int
    likes: Likes
    reactions: dict[str, int]
    comments: int
    viewers: int


class PinOut(Schema):
    comment: CommentOut
    from_ms: int
    until_ms: int | None = Field(description="null: it is still on top.")


class ReplayOut(Schema):
    from_ms: int
    to_ms: int = Field(description="The `from_ms` of the next window.")
    likes: Likes = Field(description="All that the video had before.")
    viewers: int = Field(description="How many there were before.")
    seq_before: int = Field(description="Of the newest comment before the window, 0 for none.")
    steps: list[ReplayStep]
    comments: list[CommentOut] = Field(description="The oldest first.")
    pins: list[PinOut] = Field(description="What was on top at any time of the window.")


assert set(LikeIn.model_fields["kind"].annotation.__args__) == set(LikeKind.values)  # type: ignore[union-attr]
assert set(ReactionIn.model_fields["kind"].annotation.__args__) == set(REACTION_KINDS)  # type: ignore[union-attr]
assert set(VideoOut.model_fields["status"].annotation.__args__) == set(Video.Status.values)  # type: ignore[union-attr]
