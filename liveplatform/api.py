"""The REST API, `/api/v1/`, made of those of the apps. OpenAPI at `openapi.json`, docs at `docs`."""

from __future__ import annotations

from functools import cache

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from accounts.account_api import router as account
from accounts.api import router as viewers
from accounts.pages import page, render_page, viewer_on
from following.api import router as channels
from following.push_api import router as reminders
from liveplatform import __version__
from messaging.api import router as messages
from moderation.api import router as moderation
from notices.api import router as notices
from polls.api import router as boards
from polls.questions_api import router as questions
from realtime.answers import answer_errors
from realtime.api import router as platform
from videos.api import ROUTERS
from web.docs import describe
from web.errors import ANSWERS
from web.openapi import Api
from web.parsing import StrictParser

TAGS = {
    "viewers": "Become somebody, and say what your streams watch.",
    "account": "Your own account: its name, where it is signed in, a copy of all it has, and its end.",
    "videos": "What is live, what comes and what was; for broadcasters: announce, start and end.",
    "likes": "One like per viewer and video, and bursts of taps.",
    "comments": "Read, write, delete and pin.",
    "channels": "What broadcasters have, and viewers follow; and a search for both.",
    "board": "What is beside the picture: polls, questions of viewers, announcements, goals and raids.",
    "moderation": "Roles in a channel, who is kept out, what was done and by which moderator.",
    "notices": "What was said to you, and how you want to hear of things.",
    "messages": "Conversations of two and of groups, how far each has read, and blocks.",
}
# Operation that makes a thing -> the parameter by which others name it.
MADE = {
    "createVideo": "video_id",
    "createComment": "comment_id",
    "createPoll": "poll_id",
    "askQuestion": "question_id",
    "startConversation": "conversation_id",
    "sendMessage": "message_id",
}
api = Api(
    title="liveplatform",
    version=__version__,
    description=(
        "Live interactions on live video. Ids are UUIDs, times epoch milliseconds, errors {code, detail}; 429 and 503"
        " carry Retry-After. What happens meanwhile comes over event streams and WebSockets: docs/protocol.md."
    ),
    servers=[{"url": "/", "description": "This site"}],
    openapi_extra={
        "info": {"license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"}},
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
    },
    made=MADE,
    parser=StrictParser(),
    urls_namespace="api",
    openapi_url=None,  # liveplatform.urls has views of our own for both
    docs_url=None,
)
answer_errors(api, ANSWERS)
for router in (
    viewers,
    account,
    platform,
    *ROUTERS,
    boards,
    questions,
    channels,
    reminders,
    moderation,
    messages,
    notices,
):
    api.add_router("", router)


@cache
def _drawn_docs() -> SafeString:
    return render_to_string("docs/_operations.html", describe(api.document))


@page
async def docs_page(request: HttpRequest) -> HttpResponse:
    return render_page(request, "docs/page.html", await viewer_on(request), {"docs": _drawn_docs()})
