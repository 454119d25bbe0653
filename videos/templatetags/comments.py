"""The comments of a page as the server draws them: to be read, before the script makes its own of _comment.html.

Not a template: fifty of them were three quarters of what drawing a watch page cost. The script's item takes the same
room, so nothing jumps; tests/e2e/test_watch.py compares them.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping, MutableMapping
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from moderation.models import COMPLAINT_REASONS
from videos.templatetags.figures import compact, face, hue, icon, iso, offset

register = template.Library()

QUOTE_MAX = 60
# As static/js/watch/mentions.js finds them.
_ADDRESS = re.compile(r"""(https?://(?![^\s<>"'/?#]*@)[^\s<>"']+?)(?=[.,;:!?)\]}]*(?:[\s<>"']|$))""", re.IGNORECASE)
_LINK = '<a href="{0}" target="_blank" rel="nofollow ugc noopener noreferrer">{0}</a>'
_EMOJI = '<img class="own-emoji" src="{1}" alt=":{0}:" title=":{0}:" width="72" height="72">'
_REASON = '<label><input type="radio" name="reason" value="{}" required>{}</label>'
_ITEM = (
    '<li class="comment{}" tabindex="-1" data-id="{}"><span class="face" aria-hidden="true" data-hue="{}">{}</span>'
    '<div class="comment-text">{}<p class="comment-head"><bdi class="comment-name">{}</bdi>{}'
    '<time class="num" datetime="{}">{}</time>{}</p><p class="comment-body" dir="auto">{}</p></div></li>\n'
)


@register.simple_tag
def comment_items(
    rows: Iterable[Mapping[str, Any]],
    video: Mapping[str, Any],
    emoji: Mapping[str, str],
    drawn: MutableMapping[Hashable, SafeString],
) -> SafeString:
    """Return the items of `rows`, each with its `comment`, the `parent` that it answers, and whether it is `mine`.

    `emoji`: the channel's own, the address of each by its code. `drawn` keeps the items for those who come after
    (videos.shown).
    """
    language = get_language()
    items = []
    for row in rows:
        key = (row["comment"]["id"], row["mine"], row["answers"], row["parent"] is None, language)
        if key not in drawn:
            drawn[key] = format_html(_ITEM, *_parts(row, video, emoji))
        items.append(drawn[key])
    return mark_safe("".join(items))


@register.simple_tag
def complaint_reasons() -> SafeString:
    """Return the choice of why one reports a comment."""
    return format_html_join("", _REASON, COMPLAINT_REASONS.items())


def _parts(row: Mapping[str, Any], video: Mapping[str, Any], emoji: Mapping[str, str]) -> tuple[object, ...]:
    comment, mine = row["comment"], row["mine"]
    author = comment["author"]
    name, shown = author["name"], face(author["id"], author["name"], author.get("picture"))
    classes = (" mine" if mine else "") + (" is-pinned" if comment["pinned"] else "")
    badges = _badges(author["role"], mine=mine)
    quote = _quote(row["parent"], emoji) if comment["reply_to"] else ""
    at_ms = comment["at_ms"]
    is_later = video["status"] == "ended" and video["ended_at_ms"] is not None and at_ms > video["ended_at_ms"]
    time = _("after the broadcast") if is_later else offset(at_ms, video["started_at_ms"])
    signs = _signs(comment, row["answers"])
    body = linked(comment["body"], emoji)
    return (classes, comment["id"], hue(name), shown, quote, name, badges, iso(at_ms), time, signs, body)


def linked(text: str, emoji: Mapping[str, str]) -> SafeString:
    """Return the text of a comment with its addresses as links, and its emoji as pictures."""
    parts = enumerate(_ADDRESS.split(text))
    drawn = (format_html(_LINK, part) if at % 2 else with_emoji(part, emoji) for at, part in parts)
    return format_html_join("", "{}", ((part,) for part in drawn))


@register.simple_tag
def with_emoji(text: str, emoji: Mapping[str, str]) -> SafeString:
    """Return a text with the pictures of the channel's emoji. static/js/parts/own-emoji.js finds the same."""
    codes = re.split(f":({'|'.join(emoji)}):", text) if emoji else [text]
    parts = (format_html(_EMOJI, part, emoji[part]) if at % 2 else part for at, part in enumerate(codes))
    return format_html_join("", "{}", ((part,) for part in parts))


def _signs(comment: Mapping[str, Any], answers: int) -> SafeString:
    edited = format_html('<span class="edited">{}</span>', _("edited")) if comment["edited_at_ms"] else SafeString()
    if not answers:
        return edited
    text = ngettext("{n} answer", "{n} answers", answers).format(n=compact(answers))
    return edited + format_html('<button type="button" class="answers num" tabindex="-1">{}</button>', text)


def _badges(role: str | None, *, mine: bool) -> SafeString:
    badge = SafeString()
    if role:
        said = _("Broadcaster") if role == "broadcaster" else _("Moderator")
        badge = format_html('<span class="role" data-role="{}">{}</span>', role, said)
    return badge + format_html('<span class="you">{}</span>', _("You")) if mine else badge


def _quote(parent: Mapping[str, Any] | None, emoji: Mapping[str, str]) -> SafeString:
    shown: object = _("an earlier comment")
    if parent is not None:
        begun = with_emoji(Truncator(parent["body"]).chars(QUOTE_MAX), emoji)
        shown = format_html("<bdi>{}</bdi>: {}", parent["author"]["name"], begun)
    return format_html(
        '<p class="quote"><button type="button" class="quote-link" tabindex="-1">{}<span>{}</span></button></p>',
        icon("reply"),
        shown,
    )
