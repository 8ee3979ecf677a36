"""How many texts a second, against plain padded batches, on an idle machine and beside one busy process? Prints one JSON line.

    python benchmarks/encode.py [--texts FILE] [--count N] [--repeats R] [--device auto] [--precision auto]

Baseline, run in the same call and in turns with ours: the same model on the same device through transformers' own
tokenizer, batches of 32 in the order of the input, each padded to its longest text (what most examples do). FILE is
a Parquet catalogue with title and description, or a text file with one text a line; without it, texts of the
lengths of a shop's catalogue and of user reviews are made up.

On a CPU `beside_per_s` is the rate with a busy process on the machine, and `ratio_to_share` what an idle machine does with
as many threads as that process leaves cores, over it. `spinning` are the rates as the libraries come, with threads that spin
while they wait.

`models` are the text models side by side, by processor time with one thread: the default in fp32 and bf16, a table distilled
from it, and the multilingual one where it is installed. `--models-only` measures nothing else.
"""

import argparse
import json
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.workloads.neighbour import MOST_RATIO, busy_neighbour, cores, measured, share_left
from benchmarks.workloads.text_models import side_by_side
from encoders.config import EncoderConfig
from encoders.folder import model_folder
from encoders.prepare import item_text
from encoders.text import TextEncoder

BASELINE_ROWS = 32
WORDS = (
    "red green fresh frozen grapes bread milk oil motor shampoo private national brand oz pack organic "
    "cookies large small chocolate apple sauce juice paper towel family value classic premium spicy whole"
)


def made_up(count: int, rng: np.random.Generator) -> list[str]:
    """Nine short catalogue texts (3 to 20 words) to one review (20 to 120 words)."""
    lengths = np.where(rng.random(count) < 0.9, rng.integers(3, 21, count), rng.integers(20, 121, count))
    words = WORDS.split()
    return [f"{' '.join(rng.choice(words, length))} {row}" for row, length in enumerate(lengths)]


def from_file(path: Path, count: int, rng: np.random.Generator) -> list[str]:
    """Up to `count` distinct texts of a catalogue, in random order."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        columns = pq.read_table(path, columns=["title", "description"]).to_pydict()
        texts = [item_text(*pair) for pair in zip(columns["title"], columns["description"], strict=True)]
    else:
        texts = path.read_text("utf-8").splitlines()
    distinct = [text for text in dict.fromkeys(texts) if text]
    return [distinct[row] for row in rng.permutation(len(distinct))[:count]]


def plain_batches(encoder: TextEncoder, config: EncoderConfig) -> Callable[[Sequence[str]], np.ndarray]:
    """The baseline: fixed batches in input order, padded to the longest of each."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    device, kind = encoder.device.split()
    folder = str(model_folder(config))
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = (
        AutoModel.from_pretrained(folder, local_files_only=True, dtype=getattr(torch, kind)).to(device).eval()
    )

    def encode(texts: Sequence[str]) -> np.ndarray:
        parts = []
        with torch.inference_mode():
            for start in range(0, len(texts), BASELINE_ROWS):
                batch = list(texts[start : start + BASELINE_ROWS])
                tokens = tokenizer(
                    batch, padding=True, truncation=True, max_length=config.max_length, return_tensors="pt"
                ).to(device)
                hidden = model(**tokens).last_hidden_state.float()
                mask = tokens["attention_mask"].unsqueeze(-1).float()
                pooled = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
                parts.append(torch.nn.functional.normalize(pooled).cpu().numpy())
        return np.concatenate(parts)

    return encode


def seconds(call: Callable[[Sequence[str]], np.ndarray], texts: Sequence[str]) -> float:
    start = time.perf_counter()
    call(texts)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--texts", type=Path, help="Parquet catalogue or text file; default: made-up texts")
    parser.add_argument("--count", type=int, default=2000, help="texts a repeat")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default=EncoderConfig().model)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16", "fp16"])
    parser.add_argument("--tokens-per-batch", type=int, default=None)
    parser.add_argument("--threads", type=int, default=0, help="0: as many as ship on this machine")
    parser.add_argument("--models-only", action="store_true", help="only the text models side by side")
    parser.add_argument("--one-process", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.models_only:
        texts = texts_of(options)
        print(
            json.dumps(
                {
                    "benchmark": "encode",
                    "device": device_name("cpu"),
                    "texts": len(texts),
                    "source": source_of(options),
                    "models": side_by_side(texts, options.repeats),
                }
            )
        )
        return
    if options.one_process:
        print(json.dumps(measure(options)))
        return
    given = [*sys.argv[1:], "--one-process"]
    line = measured(__file__, given, asleep=True)
    if "beside_per_s" in line:
        ratio = round(line["share_per_s"] / line["beside_per_s"], 2)
        spinning = measured(__file__, [*given, "--threads", str(cores())], asleep=False)
        line |= {
            "ratio_to_share": ratio,
            "most_ratio": MOST_RATIO,
            "met": ratio <= MOST_RATIO,
            "spinning": {name: spinning[name] for name in ("threads", "texts_per_s", "beside_per_s")},
        }
    line["models"] = side_by_side(texts_of(options), options.repeats)
    print(json.dumps(line))


def texts_of(options: argparse.Namespace) -> list[str]:
    """The file's, or made-up ones."""
    rng = np.random.default_rng(options.seed)
    return from_file(options.texts, options.count, rng) if options.texts else made_up(options.count, rng)


def source_of(options: argparse.Namespace) -> str:
    """Where the texts are from."""
    return options.texts.name if options.texts else "made up"


def measure(options: argparse.Namespace) -> dict[str, object]:
    """What one process finds."""
    import torch

    texts = texts_of(options)
    config = EncoderConfig(
        model=options.model,
        device=options.device,
        precision=options.precision,
        tokens_per_batch=options.tokens_per_batch,
        threads=options.threads or share_left(),
    )
    torch.set_num_threads(config.threads)  # the baseline's, too
    encoder = TextEncoder(config)
    start = time.perf_counter()
    encoder.load()
    load_s = time.perf_counter() - start
    baseline = plain_batches(encoder, config)
    warm = texts[: min(len(texts), 200)]
    difference = float(np.abs(encoder.encode(warm) - baseline(warm)).max())

    ours, theirs = [], []
    for _ in range(options.repeats):
        ours.append(seconds(encoder.encode, texts))
        theirs.append(seconds(baseline, texts))
    found: dict[str, object] = {
        "benchmark": "encode",
        "device": device_name(encoder.device),
        "cores": cores(),
        "precision": encoder.device.split()[1],
        "threads": config.threads,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "transformers", "tokenizers", "numpy")},
        },
        "texts": len(texts),
        "source": source_of(options),
        "repeats": options.repeats,
        "load_s": round(load_s, 2),
        "texts_per_s": rate(texts, ours),
        "texts_per_s_all": [round(len(texts) / value, 1) for value in ours],
        "baseline": f"batches of {BASELINE_ROWS} in input order, padded to the longest",
        "baseline_texts_per_s": rate(texts, theirs),
        "baseline_texts_per_s_all": [round(len(texts) / value, 1) for value in theirs],
        "ratio": round(statistics.median(theirs) / statistics.median(ours), 2),
        "ratio_of_pairs": round(statistics.median(b / a for a, b in zip(ours, theirs, strict=True)), 2),
        "max_difference": difference,
        "padded_lengths": sorted(encoder.shapes),
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    if encoder.device.startswith("cpu"):
        with busy_neighbour():
            beside = [seconds(encoder.encode, texts) for _ in range(options.repeats)]
        encoder = TextEncoder(config.model_copy(update={"threads": share_left()}))
        encoder.encode(warm)
        share = [seconds(encoder.encode, texts) for _ in range(options.repeats)]
        found |= {"beside_per_s": rate(texts, beside), "share_per_s": rate(texts, share)}
    return found


def rate(texts: Sequence[str], taken: Sequence[float]) -> float:
    """Texts a second, at the median."""
    return round(len(texts) / statistics.median(taken), 1)


def device_name(device: str) -> str:
    """The card's name, or the processor with the number of threads that torch uses."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name()
    model = next(
        (line.split(":", 1)[1].strip() for line in cpu_lines() if line.startswith("model name")),
        platform.machine(),
    )
    return f"{model}, {torch.get_num_threads()} threads"


def cpu_lines() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return []


if __name__ == "__main__":
    main()
