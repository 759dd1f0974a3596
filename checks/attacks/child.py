"""One target in a process of its own: `python -m checks.attacks.child TARGET SECONDS FOLDER`.

Coverage is that of the attacked rooms alone, and they are instrumented as they are imported.
"""

import hashlib
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path

import msgspec

from checks.attacks.targets import DRIVEN, driven, fuzzed

ATTACKED = ("app", "chalicelib", "local", "sluice")

INPUT_BYTES_MAX = 8192
INPUT_SECONDS_MAX = 20
"""An input that takes longer is reported as a crash."""

MEMORY_MB_MAX = 2048

RESULT = "result.json"
"""In the folder: what a target with a driver of its own came to."""


def main(name: str, seconds: float, folder: Path) -> None:
    """Attack a target. Corpus, crashes and result go to the folder."""
    if name in DRIVEN:
        (folder / RESULT).write_bytes(msgspec.json.encode(driven(name).run(seconds)))
    else:
        fuzz(name, seconds, folder)


def fuzz(name: str, seconds: float, folder: Path) -> None:
    """Let coverage lead the fuzzer through a target. The process ends with it."""
    atheris = import_module("atheris")
    with atheris.instrument_imports(include=list(ATTACKED)):
        target = fuzzed(name)
    corpus, crashes, words = folder / "corpus", folder / "crashes", folder / "dictionary"
    for each in (corpus, crashes):
        each.mkdir(parents=True, exist_ok=True)
    write_seeds(corpus, target.seeds())
    words.write_text(dictionary(target.TOKENS))
    options = {
        "max_total_time": max(1, round(seconds)),
        "max_len": INPUT_BYTES_MAX,
        "timeout": INPUT_SECONDS_MAX,
        "rss_limit_mb": MEMORY_MB_MAX,
        "dict": words,
        "artifact_prefix": f"{crashes}/",
        "print_final_stats": 1,
    }
    arguments = [f"-{option}={value}" for option, value in options.items()]
    atheris.Setup([sys.argv[0], *arguments, str(corpus)], target.attack)
    atheris.Fuzz()


def write_seeds(corpus: Path, seeds: Iterable[bytes]) -> None:
    """Add seeds to a corpus, each named by its content, as the fuzzer names its own finds."""
    for seed in seeds:
        (corpus / hashlib.sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)


def dictionary(tokens: Sequence[bytes]) -> str:
    """Tokens as libFuzzer reads them (https://llvm.org/docs/LibFuzzer.html#dictionaries)."""
    return "".join(
        '"' + "".join(f"\\x{byte:02x}" for byte in token) + '"\n' for token in tokens if token
    )


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), Path(sys.argv[3]))
