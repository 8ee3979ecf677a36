"""The text encoder keeps the encoder's contract, with the packaged model and with one from a folder."""

from pathlib import Path

import pytest

from contract.encoder_contract import EncoderContract
from encoders.config import EncoderConfig
from encoders.multilingual import MultilingualEncoder
from encoders.text import TextEncoder
from support.fakes.tiny_model import save_tiny_model


class TestPackagedModel(EncoderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls) -> TextEncoder:
        return TextEncoder(EncoderConfig(device="cpu", precision="fp32"))


@pytest.mark.parametrize("pooling", ["mean", "cls"], scope="class")
class TestModelFromAFolder(EncoderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls, pooling: str, tmp_path_factory: pytest.TempPathFactory) -> TextEncoder:
        folder: Path = save_tiny_model(tmp_path_factory.mktemp("model"))
        return TextEncoder(
            EncoderConfig(
                model=str(folder), pooling=pooling, max_length=48, dim=16, device="cpu", precision="fp32"
            )
        )


class TestInBf16(EncoderContract):
    tolerance = 2e-2  # bf16 keeps 8 bits of mantissa

    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls) -> TextEncoder:
        return TextEncoder(EncoderConfig(device="cpu", precision="bf16"))


class TestMultilingual(EncoderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls) -> MultilingualEncoder:
        return MultilingualEncoder(EncoderConfig(model="multilingual"))


class TestOnCuda(EncoderContract):
    tolerance = 2e-2  # bf16 keeps 8 bits of mantissa

    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls) -> TextEncoder:
        import torch

        if not torch.cuda.is_available():
            pytest.skip("no CUDA device on this machine")
        return TextEncoder(EncoderConfig(device="cuda"))
