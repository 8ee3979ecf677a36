"""A small random BERT with its own vocabulary, saved as a folder the way transformers does."""

from pathlib import Path

import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,;:-/"
WORDS = ("red", "green", "grapes", "fruit", "motor", "oil", "bread", "milk", "##s", "##er")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def save_tiny_model(folder: Path, seed: int = 7, width: int = 32, positions: int = 64) -> Path:
    """Saves model and tokenizer to `folder`; equal arguments give equal weights."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = [*SPECIAL, *WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    table = {token: place for place, token in enumerate(vocabulary)}
    BertTokenizerFast(vocab=table, model_max_length=positions).save_pretrained(str(folder))
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=width,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=positions,
        initializer_range=0.5,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        BertModel(config).save_pretrained(str(folder))
    return folder
