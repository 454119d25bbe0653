"""What titles and texts may hold."""

from __future__ import annotations

import pytest

from messaging import text as messages
from tests.accounts.test_names import SCOTLAND
from videos.text import clean_title
from web.text import clean_body, clean_text


@pytest.mark.parametrize("text", [f"{SCOTLAND} 1:0", "می\u200cخواهم", "👩\u200d🚀", "ශ්\u200dරී"])
def test_titles_and_texts_keep_what_their_languages_need(text: str) -> None:
    assert [clean(text) for clean in (clean_title, clean_text, clean_body, messages.clean_title)] == [text] * 4
