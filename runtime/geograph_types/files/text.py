"""Names of photos as text that neither a terminal nor a spreadsheet acts upon."""

import unicodedata


def without_surrogates(text: str) -> str:
    r"""Write bytes of a file name that are not UTF-8 as escapes, for instance `caf\xe9.jpg`."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")


def as_utf_8(text: str) -> str:
    r"""Write what UTF-8 cannot hold as Python writes it, for instance `\udce9`; it never fails."""
    return text.encode(errors="backslashreplace").decode()


def displayable(text: str) -> str:
    r"""Write control characters and line ends as escapes too, for instance `\x1b` or `\n`."""
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in ("Cc", "Zl", "Zp")
        else character
        for character in without_surrogates(text)
    )
