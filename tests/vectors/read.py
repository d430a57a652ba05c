"""The wire vectors beside this file, as the JSON objects they are."""

import json
from pathlib import Path
from typing import Any

Vector = dict[str, Any]  # JSON: every test knows the shape of the vectors it asks for
HERE = Path(__file__).parent


def by_name(file: str) -> dict[str, Vector]:
    """The vectors of one file by their names."""
    document = json.loads((HERE / f"{file}.json").read_text())
    return {vector["name"]: vector for vector in document["vectors"]}


def exchanges() -> list[Vector]:
    """Every request with its reply, where it has one, of all files."""
    return [
        vector
        for path in sorted(HERE.glob("*.json"))
        for vector in by_name(path.stem).values()
        if "request" in vector
    ]
