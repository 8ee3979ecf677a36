"""A small random Llama with a tokenizer of its own, saved as a folder the way transformers does."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,;:-"


def save_tiny_causal(folder: Path, seed: int = 7, width: int = 32) -> Path:
    """Saves model, head included, and tokenizer (one token a word of one letter, without a padding token) to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    table = {token: place for place, token in enumerate(["<s>", "</s>", "<unk>", *LETTERS])}
    tokenizer = Tokenizer(models.WordLevel(table, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=64,
    ).save_pretrained(str(folder))
    config = LlamaConfig(
        vocab_size=len(table),
        hidden_size=width,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.5,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        LlamaForCausalLM(config).save_pretrained(str(folder))
    return folder
