"""The API's docs page, drawn from its description: each operation with its fields, its answers and a call to copy.

Called by the site, which draws the page once: only the bar on top differs for each person.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from web.openapi import Document

ID = "01a20c4b-3598-7508-8132-5e721642feef"
AT_MS = 1_796_000_000_000
EXAMPLES = {
    "body": "Good morning!",
    "connection": "Zk3v@live.node.local.0b7a9e42d1c0",
    "name": "Ada",
    "title": "Sunrise over the lake",
    "topic": f"video:{ID}",
}
"""Name of a field -> what it may hold. For other fields the type says enough."""
RANGES = (("minLength", "maxLength", " characters"), ("minItems", "maxItems", " items"), ("minimum", "maximum", ""))

Rule = tuple[str, str]
"""Words, and the code after them."""


@dataclass(frozen=True, slots=True)
class FieldRow:
    """A parameter, or a field of a body or of a type."""

    name: str
    kind: SafeString
    rules: list[Rule]
    texts: list[SafeString]
    is_required: bool
    place: str


@dataclass(frozen=True, slots=True)
class Answer:
    status: str
    text: str
    kind: SafeString
    example: str


@dataclass(frozen=True, slots=True)
class Operation:
    id: str
    tags: list[str]
    method: str
    path: str
    summary: str
    texts: list[SafeString]
    needs: str
    parameters: list[FieldRow]
    body: list[FieldRow]
    answers: list[Answer]
    errors: list[str]
    curl: str


def describe(document: Document) -> dict[str, Any]:
    """Return what the page shows of a description: operations by tag, errors by status, types by name."""
    types = document["components"]["schemas"]
    calls = [(method, path, each) for path, methods in document["paths"].items() for method, each in methods.items()]
    operations = [_operation(*call, types) for call in calls]
    errors = {
        status: prose(answer["description"])
        for _, _, each in calls
        for status, answer in each["responses"].items()
        if status >= "400"
    }
    return {
        "info": document["info"],
        "texts": prose(document["info"]["description"]),
        "schemes": {
            name: prose(each["description"]) for name, each in document["components"]["securitySchemes"].items()
        },
        "errors": dict(sorted(errors.items())),
        "tags": [(tag, [each for each in operations if tag["name"] in each.tags]) for tag in document["tags"]],
        "types": {name: _rows(types[name]) for name in sorted(types)},
    }


def _operation(method: str, path: str, given: Document, types: Document) -> Operation:
    kinds = given.get("requestBody", {}).get("content", {})
    body = kinds.get("application/json", {}).get("schema")
    return Operation(
        id=given["operationId"],
        tags=given["tags"],
        method=method.upper(),
        path=path,
        summary=given["summary"],
        texts=prose(given.get("description", "")),
        needs=_needs(given["security"]),
        parameters=[_row(each["name"], each["schema"], each) for each in given["parameters"]],
        body=_rows(resolve(body, types)) if body else [],
        answers=[_answer(status, answer, types) for status, answer in given["responses"].items() if status < "400"],
        errors=sorted(status for status in given["responses"] if status >= "400"),
        curl=_curl(
            method.upper(),
            path,
            given["security"],
            example(body, types, is_whole=False) if body else None,
            file_kind="" if body else next(iter(kinds), ""),
        ),
    )


def _needs(security: list[Document]) -> str:
    if not security:
        return "Anybody may call it."
    return "Anybody may call it; some see more." if {} in security else "Needs an identity."


def _answer(status: str, given: Document, types: Document) -> Answer:
    schema = given.get("content", {}).get("application/json", {}).get("schema")
    shown = json.dumps(example(schema, types), indent=2, ensure_ascii=False) if schema else ""
    return Answer(status, given["description"], _kind(schema) if schema else SafeString("no body"), shown)


# Schemas in words


def resolve(schema: Document, types: Document) -> Document:
    while "$ref" in schema or "allOf" in schema:
        schema = types[_type_name(schema)] if "$ref" in schema else schema["allOf"][0]
    return schema


def _type_name(schema: Document) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _rows(schema: Document) -> list[FieldRow]:
    required = schema.get("required", ())
    return [_row(name, each, {"required": name in required}) for name, each in schema["properties"].items()]


def _row(name: str, schema: Document, more: Document) -> FieldRow:
    texts = prose(schema.get("description", ""))
    return FieldRow(name, _kind(schema), list(_rules(schema)), texts, more.get("required", False), more.get("in", ""))


def _kind(schema: Document) -> SafeString:
    """Return what a value is, like: list of `VideoOut`, which leads to that type."""
    if "$ref" in schema:
        return format_html('<a href="#{0}">{0}</a>', _type_name(schema))
    if "allOf" in schema:  # a type of its own that may be left out
        return _kind(schema["allOf"][0])
    if "anyOf" in schema:
        return format_html_join(" or ", "{}", ((_kind(each),) for each in schema["anyOf"]))
    if "items" in schema:
        return format_html("list of {}", _kind(schema["items"]))
    if isinstance(schema.get("additionalProperties"), dict):
        return format_html("object of {}", _kind(schema["additionalProperties"]))
    return format_html("{}", "UUID" if schema.get("format") == "uuid" else schema["type"])


def _rules(schema: Document) -> Iterator[Rule]:
    """Say which rules a value must keep besides its kind."""
    for each in schema.get("anyOf", ()):
        yield from _rules(each)
    if "items" in schema:
        yield from ((f"each {words}", code) for words, code in _rules(schema["items"]))
    limits = {**schema, "maximum": schema["exclusiveMaximum"] - 1} if "exclusiveMaximum" in schema else schema
    for low, high, unit in RANGES:
        if words := _range(limits.get(low, 0), limits.get(high)):
            yield words + unit, ""
    if "enum" in schema:
        yield "one of", ", ".join(schema["enum"])
    if "pattern" in schema:
        yield "like", schema["pattern"]
    if schema.get("default") is not None:
        yield "if left out:", json.dumps(schema["default"])


def _range(low: int, high: int | None) -> str:
    if high is None:
        return f"at least {low:,}" if low else ""
    if low == high:
        return f"{low:,}"
    return f"{low:,} to {high:,}" if low else f"at most {high:,}"


def prose(text: str) -> list[SafeString]:
    """Return the paragraphs of a text in which backticks stand around code."""
    return [
        format_html_join("", "{}", ((_coded(at, words),) for at, words in enumerate(" ".join(each.split()).split("`"))))
        for each in text.split("\n\n")
        if each.strip()
    ]


def _coded(at: int, words: str) -> SafeString:
    return format_html("<code>{}</code>" if at % 2 else "{}", words)


# Examples


def example(schema: Document, types: Document, *, name: str = "", is_whole: bool = True) -> Any:
    """Return a value that the schema takes: with every field, or with only the required ones."""
    schema = resolve(schema, types)
    if "anyOf" in schema:
        return example(schema["anyOf"][0], types, name=name, is_whole=is_whole)
    match schema["type"]:
        case "object" if "properties" in schema:
            fields = schema["properties"] if is_whole else _fields_to_send(schema)
            return {each: example(fields[each], types, name=each, is_whole=is_whole) for each in fields}
        case "object":
            key = EXAMPLES.get(name.removesuffix("s"), "like")
            return {key: example(schema["additionalProperties"], types, is_whole=is_whole)}
        case "array":
            one = example(schema["items"], types, name=name.removesuffix("s"), is_whole=is_whole)
            return [one] * max(schema.get("minItems", 1), 1)
        case "string":
            known = schema.get("enum") or schema.get("examples")
            return known[0] if known else EXAMPLES.get(name, _string(schema))
        case "integer":
            return schema.get("default", AT_MS if name.endswith("_ms") else max(schema.get("minimum", 1), 1))
        case "boolean":
            return schema.get("default", True)
    return None


def _string(schema: Document) -> str:
    return ID if schema.get("format") == "uuid" else "…"


def _fields_to_send(schema: Document) -> Document:
    fields: Document = schema["properties"]
    some = {name: each for name, each in fields.items() if name in schema.get("required", ())}
    some = some or {name: each for name, each in fields.items() if each.get("default") is not None}
    return some or dict(list(fields.items())[:1])


def _curl(method: str, path: str, security: list[Document], body: Any, *, file_kind: str) -> str:
    """Return the call for a shell. `file_kind`: of the file that is sent, in place of a body of JSON."""
    url = re.sub(r"{(\w+)}", r"$\1", path)
    parts = [f'curl "$SITE{url}"' if method == "GET" else f'curl -X {method} "$SITE{url}"']
    if security and {} not in security:
        parts.append('-H "Authorization: Bearer $TOKEN"')
    if body is not None:
        parts += ['-H "Content-Type: application/json"', f"-d '{json.dumps(body, ensure_ascii=False)}'"]
    if file_kind:
        parts += [f'-H "Content-Type: {file_kind}"', f"--data-binary @file.{file_kind.rpartition('/')[2]}"]
    return " \\\n  ".join(parts)
