"""What is drawn once and put into many pages.

`{% once %}…{% endonce %}`: what is the same on every page for everybody, once in a process.
`{% for_all %}…{% endfor_all %}`: what is the same for all who see a page now (videos.shown, videos.front). It knows the
variables in the page's `for_all` alone, and those that it names, by whose values it is drawn: `{% for_all mine %}`, or
`{% for_all card.id %}` for a `card`. A page that shares nothing has no `drawn`; there it is drawn as if it were not
marked.
"""

from __future__ import annotations

from collections.abc import Hashable, MutableMapping
from itertools import count
from typing import cast

from django import template
from django.template import Context, Node, NodeList, TemplateSyntaxError, Variable
from django.template.base import Parser, Token, VariableNode
from django.template.defaulttags import ForNode, IfNode
from django.utils.html import json_script
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from videos import words
from web.words import in_language

register = template.Library()


class Once(Node):
    """Keeps its text, one a language. It gets an empty context: nothing of one request can get to another."""

    def __init__(self, nodelist: NodeList) -> None:
        self.nodelist = nodelist
        self._drawn: dict[str | None, SafeString] = {}

    def render(self, context: Context) -> SafeString:
        language = get_language()
        drawn = self._drawn.get(language)
        if drawn is None:
            drawn = self._drawn[language] = self.nodelist.render(context.new())
        return drawn


@register.tag
def once(parser: Parser, token: Token) -> Once:
    nodelist = parser.parse(("endonce",))
    parser.delete_first_token()
    if nodelist.get_nodes_by_type((VariableNode, IfNode, ForNode)):  # type: ignore[arg-type]
        raise TemplateSyntaxError("what is drawn once has no variables, conditions and loops")
    return Once(nodelist)


class ForAll(Node):
    """Keeps its text in the page's `drawn`, one for each language and values of `names`."""

    _numbers = count()

    def __init__(self, nodelist: NodeList, names: list[str]) -> None:
        self.nodelist = nodelist
        self._names = [Variable(name) for name in names]
        self._roots = [name.partition(".")[0] for name in names]
        self._number = next(self._numbers)

    def render(self, context: Context) -> SafeString:
        drawn = cast(MutableMapping[Hashable, SafeString] | None, context.get("drawn"))
        if drawn is None:
            return self.nodelist.render(context)
        key = (self._number, get_language(), *(name.resolve(context) for name in self._names))
        if key not in drawn:
            named = {root: context[root] for root in self._roots}
            drawn[key] = self.nodelist.render(context.new({**context["for_all"], **named}))
        return drawn[key]


@register.tag
def for_all(parser: Parser, token: Token) -> ForAll:
    nodelist = parser.parse(("endfor_all",))
    parser.delete_first_token()
    return ForAll(nodelist, token.split_contents()[1:])


@register.simple_tag
def words_of(page: str) -> SafeString:
    """Return the texts of the page's scripts, for `static/js/core/words.js`."""
    return json_script(in_language(getattr(words, page.upper())), "words")
