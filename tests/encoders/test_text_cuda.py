"""The text encoder on a CUDA device."""

import numpy as np
import pytest

from encoders.config import EncoderConfig
from encoders.text import TextEncoder


@pytest.fixture(autouse=True)
def cuda() -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device on this machine")


def test_auto_chooses_the_card_and_half_precision() -> None:
    """Without a word in the configuration a card is found and used in bf16 or fp16."""
    encoder = TextEncoder(EncoderConfig())
    assert encoder.device.startswith("cuda")
    assert encoder.device.endswith(("bfloat16", "float16"))


def test_card_and_processor_agree() -> None:
    """Vectors of both may share a store, in the card's precision: cosine above .999, one fingerprint."""
    texts = [f"item {n} " + "bread and milk " * (n % 9) for n in range(200)]
    card, processor = TextEncoder(EncoderConfig(device="cuda")), TextEncoder(EncoderConfig(device="cpu"))
    processor.adopt(card.fingerprint)
    cosine = (card.encode(texts) * processor.encode(texts)).sum(axis=1)
    assert cosine.min() > 0.999
    assert card.fingerprint == processor.fingerprint


def test_single_precision_on_the_card_equals_the_processor() -> None:
    """fp32 on request is fp32."""
    texts = ["red grapes", "motor oil", "bread " * 50]
    card = TextEncoder(EncoderConfig(device="cuda", precision="fp32")).encode(texts)
    np.testing.assert_allclose(
        card, TextEncoder(EncoderConfig(device="cpu", precision="fp32")).encode(texts), rtol=0, atol=1e-3
    )
