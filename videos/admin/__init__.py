"""The admin: staff run videos and moderate comments. Included at `/admin/`.

Everything that viewers see change goes through broadcasts, moderation and removal, so that it is published; likes,
counters and `seq` are shown and cannot be written here. Lists stay quick on large tables (web.quick_lists). No inline
script or style: the Content-Security-Policy forbids both.
"""

from __future__ import annotations

from videos.admin.comments import CommentAdmin
from videos.admin.emoji import ChannelEmojiAdmin
from videos.admin.held import HeldCommentAdmin
from videos.admin.videos import VideoAdmin

__all__ = ["ChannelEmojiAdmin", "CommentAdmin", "HeldCommentAdmin", "VideoAdmin"]
