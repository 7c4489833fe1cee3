"""Whether whatever one JSON schema allows, another allows as well: told as a list of places where it does not.

Limits of size are left aside. Free objects, and those whose `type` may be anything, say nothing that could be compared.
"""

from typing import Any

Schema = dict[str, Any]


class Comparison:
    """Compares schemas of two documents: `source` makes values, `target` must allow them."""

    def __init__(self, source: Schema, target: Schema) -> None:
        self._source = source["components"]["schemas"]
        self._target = target["components"]["schemas"]
        self._compared: set[tuple[str, str]] = set()

    def differences(self, source: Schema, target: Schema, where: str) -> list[str]:
        pair = (source.get("$ref", ""), target.get("$ref", ""))
        if all(pair) and pair in self._compared:
            return []
        self._compared.add(pair)
        allowed = variants(target, self._target)
        return [
            found
            for made in variants(source, self._source)
            for found in self._closest(made, allowed, f"{where}<{kind_of(made)}>" if kind_of(made) else where)
        ]

    def _closest(self, made: Schema, allowed: list[Schema], where: str) -> list[str]:
        """The differences from that of the allowed variants which differs least."""
        alike = [one for one in allowed if _same_kind(made, one)]
        if _says_nothing(made, alike):
            return []
        if not alike:
            return [f"{where}: {made.get('type', 'anything')} is not allowed"]
        return min((self._between(made, one, where) for one in alike), key=len)

    def _between(self, made: Schema, allowed: Schema, where: str) -> list[str]:
        found = []
        if "enum" in allowed and (beyond := set(made.get("enum", ["any"])) - set(allowed["enum"])):
            found.append(f"{where}: values {sorted(beyond)}")
        if "items" in made and "items" in allowed:
            found += self.differences(made["items"], allowed["items"], f"{where}[]")
        return found + self._between_objects(made, allowed, where)

    def _between_objects(self, made: Schema, allowed: Schema, where: str) -> list[str]:
        missing = set(allowed.get("required", [])) - set(made.get("required", []))
        found = [f"{where}.{name}: may be missing" for name in sorted(missing)]
        known = allowed.get("properties", {})
        closed = known and not allowed.get("additionalProperties")
        for name, schema in made.get("properties", {}).items():
            if name in known:
                found += self.differences(schema, known[name], f"{where}.{name}")
            elif closed:
                found.append(f"{where}.{name}: not known")
        return found


def variants(schema: Schema, named: Schema) -> list[Schema]:
    """What a schema may be, each without choices and references; one for each `type` that an object may name."""
    if "$ref" in schema:
        return variants(named[schema["$ref"].removeprefix("#/components/schemas/")], named)
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return [variant for choice in schema[key] for variant in variants(choice, named)]
    if "allOf" in schema:
        return [_merged([variants(part, named)[0] for part in schema["allOf"]])]
    if "const" in schema:
        schema = schema | {"enum": [schema["const"]], "type": schema.get("type", "string")}
    if "type" not in schema and "properties" in schema:
        schema = schema | {"type": "object"}
    return [_of_kind(schema, kind) for kind in _kinds(schema, named)] or [schema]


def kind_of(schema: Schema) -> str | None:
    """The one value of an object's `type`, if it names its kind."""
    values = schema.get("properties", {}).get("type", {}).get("enum", [])
    return values[0] if len(values) == 1 else None


def _kinds(schema: Schema, named: Schema) -> list[str]:
    named_by = schema.get("properties", {}).get("type")
    return [kind for choice in variants(named_by, named) for kind in choice.get("enum", [])] if named_by else []


def _of_kind(schema: Schema, kind: str) -> Schema:
    return schema | {"properties": schema["properties"] | {"type": {"type": "string", "enum": [kind]}}}


def _merged(parts: list[Schema]) -> Schema:
    properties = {name: schema for part in parts for name, schema in part.get("properties", {}).items()}
    required = [name for part in parts for name in part.get("required", [])]
    return {"type": "object", "properties": properties, "required": required}


def _same_kind(made: Schema, allowed: Schema) -> bool:
    kinds = {kind_of(made), kind_of(allowed)} - {None}
    types = {made.get("type"), allowed.get("type")}
    return len(kinds) < 2 and (None in types or len(types) == 1 or types == {"integer", "number"})


def _says_nothing(made: Schema, allowed: list[Schema]) -> bool:
    if made.get("type") != "object":
        return not made
    return "properties" not in made or (kind_of(made) is None and any(kind_of(one) for one in allowed))
