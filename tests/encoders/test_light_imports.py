"""What a light command needs of the encoders doesn't load torch."""

import subprocess
import sys

PROGRAM = """
import sys
from encoders import behaviour, config, content, errors, item_encoder, prepare, protocols, ridge
from encoders import multilingual, opening, precision, snapshot, text, unit, unseen, vector_cache, vectorizer, whitening
encoder = content.ContentEncoder(config.EncoderConfig())
assert encoder.encoder.raw_dim == 384
fingerprint = encoder.content_fingerprint("red grapes")
assert len(fingerprint) == 32, fingerprint
loaded = {"torch", "transformers", "tokenizers", "sentence_transformers", "torchvision"} & set(sys.modules)
assert not loaded, loaded
"""


def test_fingerprints_need_no_torch() -> None:
    """Importing all modules, opening the encoder and fingerprinting content load neither torch nor transformers."""
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=120)
