"""`{% translate %}` that looks a fixed text up once a language, in place of Django's tag (settings: TEMPLATES).

To look up each text of a watch page took a tenth of its time.
"""

from __future__ import annotations

from django.template import Context, Library, Node
from django.template.base import Parser, Token, Variable
from django.templatetags import i18n
from django.utils.translation import get_language

register = Library()
register.tags = dict(i18n.register.tags)
register.filters = dict(i18n.register.filters)


class Translated(Node):
    """A text that is the same for everybody who reads the language."""

    def __init__(self, node: i18n.TranslateNode) -> None:
        self._node = node
        self._texts: dict[str | None, str] = {}

    def render(self, context: Context) -> str:
        language = get_language()
        text = self._texts.get(language)
        if text is None:
            text = self._texts[language] = self._node.render(context)
        return text


@register.tag
def translate(parser: Parser, token: Token) -> Node:
    node = i18n.do_translate(parser, token)
    is_fixed = not node.asvar and not node.filter_expression.filters and not _is_variable(node)
    return Translated(node) if is_fixed else node


def _is_variable(node: i18n.TranslateNode) -> bool:
    said = node.filter_expression.var
    return node.message_context is not None or (isinstance(said, Variable) and said.lookups is not None)
