"""Words for file names: every seed has its own pronounceable one, so that numbers in a name mean the tempo alone."""

from __future__ import annotations

CONSONANTS = "bdfgjklmnprstvz"
VOWELS = "aeiou"
SYLLABLES = [c + v for c in CONSONANTS for v in VOWELS]
SPACE = len(SYLLABLES) ** 3
STEP = 179_426_549  # a prime, so that multiplying by it permutes the space: neighbouring seeds get unlike words


def word_for(seed: int) -> str:
    """A word of three syllables (more for seeds above 421,874), different for every seed. `word_for(0) == 'bababa'`."""
    turn, value = divmod(seed, SPACE)
    value = value * STEP % SPACE
    letters = ""
    for _ in range(3):
        value, digit = divmod(value, len(SYLLABLES))
        letters += SYLLABLES[digit]
    while turn:
        turn, digit = divmod(turn, len(SYLLABLES))
        letters += SYLLABLES[digit]
    return letters
