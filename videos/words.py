"""The texts that the scripts show, in one place so that they are translated like those of the templates.

`{name}` is filled in by the script. A text that counts has one entry per plural form of the language, `<key>.one`,
`<key>.other` (also zero, two, few, many, where the language has them); the script picks by Intl.PluralRules.
"""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

WATCH: dict[str, str | Promise] = {
    "connecting": _("Connecting…"),
    "catching": _("Catching up…"),
    "lost": _("Connection lost. Trying again…"),
    "offline": _("You are offline. This page goes on as soon as you are back."),
    "bye": _("The server closed the connection: this video is no longer here."),
    "watching.one": _("{n} watching"),
    "watching.other": _("{n} watching"),
    "likes.one": _("{n} like"),
    "likes.other": _("{n} likes"),
    "new.one": _("{n} new comment"),
    "new.other": _("{n} new comments"),
    "left.one": _("{n} character left"),
    "left.other": _("{n} characters left"),
    "over.one": _("{n} character too many"),
    "over.other": _("{n} characters too many"),
    "too_large": _("This text takes too much room; shorten it a little."),
    "said": _("{name}: {text}"),
    "said_more.one": _("{n} new comment. {name}: {text}"),
    "said_more.other": _("{n} new comments. The last, by {name}: {text}"),
    "liked_by": _("{names} liked this"),
    "liked_by_more": _("{names} and {n} more liked this"),
    "like.like": _("Like"),
    "like.celebrate": _("Celebrate"),
    "like.support": _("Support"),
    "like.love": _("Love"),
    "like.insightful": _("Insightful"),
    "like.funny": _("Funny"),
    "take_back": _("Take back: {kind}"),
    "replying_to": _("Replying to {name}"),
    "earlier": _("an earlier comment"),
    "sending": _("Sending…"),
    "not_sent": _("Not sent."),
    "wait_comment": _("Wait {n} s to comment again."),
    "wait": _("Wait {n} s, then try again."),
    "unreachable": _("The server did not answer. Try again in a moment."),
    "unavailable": _("The site is busy right now. Try again in a moment."),
    "not_allowed": _("This is not allowed for you. Reload the page if you have just signed in."),
    "gone": _("This is no longer here."),
    "failed": _("This did not work: {detail}"),
    "name_missing": _("Write a name first."),
    "welcome": _("Hello {name}"),
    "starts_in": _("Starts in"),
    "starting": _("Starting in a moment"),
    "days.one": _("{n} day"),
    "days.other": _("{n} days"),
    "play": _("Play"),
    "pause": _("Pause"),
    "mute": _("Mute"),
    "unmute": _("Sound on"),
    "fullscreen": _("Full screen"),
    "fullscreen_exit": _("Leave full screen"),
    "picture_failed": _("The picture does not come through right now. Comments and likes go on."),
    "picture_unsupported": _("This browser cannot play the picture. Comments and likes work."),
    "more": _("more"),
    "less": _("less"),
    "copied": _("Link copied"),
    "copy_failed": _("Copy this link: {link}"),
    "started": _("The broadcast has started"),
    "ended": _("The broadcast has ended"),
    "comments_show": _("Show comments"),
    "comments_hide": _("Hide comments"),
}

_SHARED = "wait unreachable unavailable not_allowed gone failed copied copy_failed"

STUDIO: dict[str, str | Promise] = {key: WATCH[key] for key in _SHARED.split()} | {
    "upcoming": _("Upcoming"),
    "live": _("Live"),
    "ended_status": _("Ended"),
    "created": _("Created. Share its link, then start when you are ready."),
    "saved": _("Saved"),
    "started": _("You are live"),
    "ended": _("The broadcast has ended"),
}

HOME: dict[str, str | Promise] = {key: WATCH[key] for key in ("watching.one", "watching.other")}
