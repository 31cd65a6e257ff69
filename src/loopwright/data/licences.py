"""One short name for each licence, whatever the metadata calls it."""

from __future__ import annotations

import re

from loopwright.errors import InputError

FAMILIES = ("cc0", "cc-by", "cc-by-sa", "cc-by-nc", "cc-by-nc-sa", "cc-by-nd", "cc-by-nc-nd", "sampling+", "unlicense", "mit")
_URL = re.compile(r"creativecommons\.org/(licenses|publicdomain)/([a-z0-9+\-]+)(?:/(\d\.\d))?", re.I)


def normal_licence(text: str) -> str:
    """A licence's short name with its version: "CC0-1.0", "CC-BY-4.0", "CC-BY-NC-3.0"; unknown text is kept as it is.

    >>> normal_licence("http://creativecommons.org/licenses/by-nc/3.0/"), normal_licence("Attribution"), normal_licence("cc 0")
    ('CC-BY-NC-3.0', 'CC-BY', 'CC0')
    """
    text = text.strip()
    url = _URL.search(text)
    if url:
        kind, name, version = url[1].lower(), url[2].lower(), url[3] or ""
        if kind == "publicdomain":
            short = "CC0" if name == "zero" else "PDM"
        elif name.startswith("sampling"):
            short = "CC-Sampling+"
        else:
            short = "CC-" + name.upper()
        return f"{short}-{version}" if version else short
    plain = re.sub(r"[\s_]+", " ", text.lower())
    if plain in ("creative commons 0", "cc 0", "cc0", "public domain", "zero"):
        return "CC0"
    names = {"attribution": "CC-BY", "attribution noncommercial": "CC-BY-NC", "attribution-noncommercial": "CC-BY-NC"}
    if plain in names:
        return names[plain]
    match = re.fullmatch(r"cc[ \-]?(0|by(?:[ \-](?:nc|sa|nd))*)(?:[ \-]v?(\d(?:\.\d)?))?", plain)
    if match:
        short = "CC0" if match[1] == "0" else "CC-" + match[1].upper().replace(" ", "-")
        return f"{short}-{match[2]}" if match[2] else short
    return text


def licence_family(text: str) -> str:
    """A licence without its version, in lower case, as `--licence` names it: "cc0", "cc-by"; "" if it is not known."""
    name = normal_licence(text).lower()
    if name.startswith("cc-sampling+"):
        return "sampling+"
    name = re.sub(r"[ \-]v?\d(\.\d)*$", "", name)
    name = re.sub(r"^(cc-[a-z\-]+?) \(.*\)$", r"\1", name)  # "CC-BY (Freesound ...)"
    return name if name in FAMILIES else ""


def check_families(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names a user gave for the filter, in lower case. Raises InputError for one that is not known."""
    wanted = tuple(name.strip().lower() for name in names if name.strip())
    for name in wanted:
        if name not in FAMILIES:
            raise InputError(f"unknown licence '{name}'. Known: {', '.join(FAMILIES)}.")
    return wanted


def allowed(licence: str, wanted: tuple[str, ...]) -> str:
    """Why a file may not be used, or "". An empty filter allows all; a file without a licence fails any filter.

    A combined licence ("CC0-1.0 AND CC-BY-4.0", as of a mix of sources) needs every part.
    """
    if not wanted:
        return ""
    parts = re.split(r"\s+and\s+|\s*[,;&]\s*", licence, flags=re.I) if licence else []
    if not parts:
        return "has no stated licence"
    for part in parts:
        if licence_family(part) not in wanted:
            return f"licence {part} is not wanted"
    return ""
