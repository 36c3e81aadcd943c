"""The page at /docs: what can be asked, from the OpenAPI document, without any script.

The framework's own page loads its script from another host, which sees every visitor and may send
anything.
"""

from html import escape
from typing import Any

import msgspec

_HEAD = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>cpz</title>"
    "<style>body{font:16px/1.5 system-ui;max-width:60em;margin:2em auto;padding:0 1em}"
    "pre{background:#f4f4f4;padding:1em;overflow:auto}</style><h1>cpz</h1>"
    "<p>The whole document: <a href=openapi.json>openapi.json</a></p>"
)


def docs_page(schema: dict[str, Any]) -> bytes:
    """Return every operation and every type of an OpenAPI document as HTML."""
    parts = [_HEAD]
    for path, operations in schema["paths"].items():
        for method, found in operations.items():
            statuses = ", ".join(found["responses"])
            parts.append(f"<h2><code>{escape(method.upper())} {escape(path)}</code></h2>")
            parts.append(f"<p>{escape(found.get('summary', ''))}. Answers: {escape(statuses)}.</p>")
            parts += [_body(found["requestBody"])] if "requestBody" in found else []
    parts.append("<h2>Types</h2>")
    for name, kind in schema.get("components", {}).get("schemas", {}).items():
        text = msgspec.json.format(msgspec.json.encode(kind), indent=1).decode()
        parts.append(f"<h3 id={escape(name)}>{escape(name)}</h3><pre>{escape(text)}</pre>")
    return "".join(parts).encode()


def _body(body: dict[str, Any]) -> str:
    name = escape(body["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1])
    return f"<p>Takes <a href=#{name}>{name}</a>.</p>"
