"""Compiles the patterns of the document in the engines of Go (RE2), Python and pydantic (Rust)."""
import json
import re
import sys

import pydantic
import re2


def find_patterns(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "pattern" and isinstance(inner, str):
                yield inner
            yield from find_patterns(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from find_patterns(inner)


with open(sys.argv[1], encoding="utf-8") as file:
    for pattern in sorted(set(find_patterns(json.load(file)))):
        re.compile(pattern)
        re2.compile(pattern)
        pydantic.TypeAdapter(pydantic.constr(pattern=pattern))
