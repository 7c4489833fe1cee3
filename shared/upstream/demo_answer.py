"""What the demonstration model says: a rule, not a model, so that it runs anywhere and always says the same."""

import re
from hashlib import sha256
from typing import Any, Final, NamedTuple

import orjson

LONGEST_COUNT: Final = 100_000

JsonObject = dict[str, Any]


class Call(NamedTuple):
    """A call of one of the caller's functions."""

    name: str
    arguments: str


class Answer(NamedTuple):
    """Either words to say, each with the space behind it, or a function to call."""

    words: list[str]
    call: Call | None
    finish_reason: str


def answer_to(body: JsonObject) -> Answer:
    """The answer to a valid Chat Completions body."""
    function = _function_to_call(body)
    if function is not None:
        arguments = orjson.dumps(example_of(function.get("parameters") or {"type": "object"})).decode()
        return Answer([], Call(function["name"], arguments), "tool_calls")
    words = re.findall(r"\S+\s*", _say(body["messages"]))
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or len(words)
    return Answer(words[:limit], None, "length" if limit < len(words) else "stop")


def word_count(messages: list[JsonObject]) -> int:
    """The demonstration's idea of tokens."""
    return sum(len(text_of(message).split()) for message in messages)


def embedding_of(text: str) -> list[float]:
    """Eight numbers that are the same for the same text, and mean nothing."""
    return [byte / 255 for byte in sha256(text.encode(errors="replace")).digest()[:8]]


def text_of(message: JsonObject) -> str:
    """A message's text, whether its content is a string or a list of parts."""
    content = message.get("content")
    if isinstance(content, list):
        return " ".join(str(part["text"]) for part in content if isinstance(part, dict) and "text" in part)
    return content if isinstance(content, str) else ""


def example_of(schema: Any, depth: int = 0) -> Any:
    """A value that fits a JSON schema, as far as a demonstration needs it."""
    if not isinstance(schema, dict) or depth > 8:
        return "demo"
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    for key in ("anyOf", "oneOf"):
        if isinstance(schema.get(key), list) and schema[key]:
            return example_of(schema[key][0], depth + 1)
    return _example_of_type(schema, depth)


def _example_of_type(schema: JsonObject, depth: int) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    match kind[0] if isinstance(kind, list) and kind else kind:
        case "object":
            properties = schema.get("properties")
            known = properties.items() if isinstance(properties, dict) else ()
            return {name: example_of(inner, depth + 1) for name, inner in known}
        case "array":
            return [example_of(schema.get("items", {}), depth + 1)]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "null":
            return None
    return "demo"


def _function_to_call(body: JsonObject) -> JsonObject | None:
    """The chosen function, or the first, when it is the user who spoke last."""
    functions = [tool["function"] for tool in body.get("tools") or [] if tool.get("type") == "function"]
    choice = body.get("tool_choice")
    if choice == "none" or body["messages"][-1]["role"] != "user":
        return None
    if isinstance(choice, dict):
        wanted = (choice.get("function") or {}).get("name")
        functions = [function for function in functions if function["name"] == wanted]
    return functions[0] if functions else None


def _say(messages: list[JsonObject]) -> str:
    spoken = [message for message in messages if message["role"] in {"user", "assistant", "tool"}]
    if spoken and spoken[-1]["role"] == "tool":
        return f"This is the Turnstone demonstration, not a model. Your tool answered: {text_of(spoken[-1])}"
    asked = [index for index, message in enumerate(spoken) if message["role"] == "user"]
    text = text_of(spoken[asked[-1]]) if asked else ""
    count = re.search(r"\bcount to (\d{1,6})\b", text, re.IGNORECASE)
    if count:
        return " ".join(str(number) for number in range(1, min(int(count[1]), LONGEST_COUNT) + 1))
    return f"This is the Turnstone demonstration, not a model. You said: “{text}” {_recall(spoken, asked)}"


def _recall(spoken: list[JsonObject], asked: list[int]) -> str:
    earlier = asked[-1] if asked else 0
    if not earlier:
        return "Nothing was said before that, as far as this conversation goes. Ask again, and it will remember."
    began = f", which you began with: “{text_of(spoken[asked[0]])}”" if len(asked) > 1 else "."
    return f"It remembers {earlier} earlier message{'s' if earlier > 1 else ''} of this conversation{began}"
