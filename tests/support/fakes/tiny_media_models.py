"""Tiny random models of pictures and sounds, saved as a user's folder would be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

_VISION: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}
_TEXT: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "vocab_size": 300,
    "max_position_embeddings": 24,
}
_SPEECH: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "conv_dim": (16, 16, 16),
    "conv_kernel": (10, 3, 3),
    "conv_stride": (8, 4, 4),
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "do_stable_layer_norm": True,
    "feat_extract_norm": "layer",
}
_PICTURES = {"size": {"height": 32, "width": 32}, "crop_size": {"height": 32, "width": 32}}
IMAGE_KINDS = {"clip": 24, "siglip": 32, "dinov2": 32, "vit": 32}
"""Kind -> width of its vectors."""
AUDIO_KINDS = {"wavlm": 32, "wav2vec2": 32, "clap": 24}


def save_image_model(kind: str, folder: Path) -> Path:
    """Weights, config and preprocessing of a random model of pictures."""
    torch.manual_seed(7)
    if kind == "clip":
        model = transformers.CLIPModel(
            transformers.CLIPConfig(
                text_config={**_TEXT, "eos_token_id": 1, "bos_token_id": 0},
                vision_config=_VISION,
                projection_dim=24,
            )
        )
        processor = transformers.CLIPImageProcessorPil(**{**_PICTURES, "size": {"shortest_edge": 32}})
        _save_tokenizer(folder)
    elif kind == "siglip":
        model = transformers.SiglipModel(
            transformers.SiglipConfig(text_config={**_TEXT, "projection_size": 32}, vision_config=_VISION)
        )
        processor = transformers.SiglipImageProcessorPil(size=_PICTURES["size"])
        _save_tokenizer(folder)
    elif kind == "dinov2":
        model = transformers.Dinov2Model(transformers.Dinov2Config(**_VISION, mlp_ratio=2))
        processor = transformers.BitImageProcessorPil(**{**_PICTURES, "size": {"shortest_edge": 32}})
    else:
        model = transformers.ViTModel(transformers.ViTConfig(**_VISION), add_pooling_layer=False)
        processor = transformers.ViTImageProcessorPil(size=_PICTURES["size"])
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def save_audio_model(kind: str, folder: Path) -> Path:
    """Weights, config and preprocessing of a random model of sounds."""
    torch.manual_seed(7)
    if kind == "wavlm":
        model = transformers.WavLMModel(transformers.WavLMConfig(**_SPEECH))
        extractor = transformers.Wav2Vec2FeatureExtractor(return_attention_mask=True)
    elif kind == "wav2vec2":
        model = transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**_SPEECH))
        extractor = transformers.Wav2Vec2FeatureExtractor(return_attention_mask=False)
    else:
        audio = {
            "hidden_size": 64, "depths": [1, 1], "num_attention_heads": [2, 2], "num_mel_bins": 16, "spec_size": 64,
            "patch_embeds_hidden_size": 16, "projection_dim": 24, "num_hidden_layers": 2, "window_size": 4, "num_classes": 4,
            "patch_size": 4, "patch_stride": [4, 4], "enable_fusion": False, "flatten_patch_embeds": True,
            "mlp_ratio": 2.0, "patch_embed_input_channels": 1, "hidden_act": "gelu",
        }  # fmt: skip
        audio["hidden_size"] = 32
        text = {**_TEXT, "projection_dim": 24, "max_position_embeddings": 40}
        model = transformers.ClapModel(
            transformers.ClapConfig(text_config=text, audio_config=audio, projection_dim=24)
        )
        extractor = transformers.ClapFeatureExtractor(feature_size=16, max_length_s=2, chunk_length_s=2)
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    return folder


def _save_tokenizer(folder: Path) -> None:
    """A tokenizer of bytes: any text is known to it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    signs = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {"<s>": 0, "</s>": 1, "<pad>": 2, **{sign: place + 3 for place, sign in enumerate(signs)}}
    tokenizer = Tokenizer(models.BPE(vocab=words, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", model_max_length=24
    ).save_pretrained(folder)
