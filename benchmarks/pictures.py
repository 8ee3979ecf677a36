"""Whether pictures carry new items: a stand-in on a real log, since no open log here comes with pictures.

Every category of completejourney's products gets the emoji whose name the text encoder finds nearest, each item its own crop,
turn and colours. A quarter of the items has no behaviour; the map is fitted on the others, and first purchases of the new
items in the last tenth of the log are ranked among these alone, by the mean of the vectors of what the user had before. The
control has the same pictures shuffled between the items. Such a picture knows no more than the category: this tests the path,
not photographs.

    python benchmarks/pictures.py completejourney/events.parquet completejourney/items.parquet

Prints one JSON line: the map's held-out cosine and NDCG@10 of each content, and the differences with 95 % intervals over users.
Needs fonts-noto-color-emoji and unicode-data (Debian).
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from encoders.behaviour import behaviour_vectors
from encoders.config import EncoderConfig, FitConfig
from encoders.content import ContentEncoder
from encoders.image import image_encoder
from encoders.item_encoder import ItemEncoder, fit_item_encoder
from encoders.joined import ContentSpace, ModalityVectors
from encoders.kept_vectors import kept_vectors
from encoders.media import Media
from encoders.media_config import EFFICIENTNET, ImageEncoderConfig, MediaConfig
from encoders.media_content import MediaContent
from encoders.unit import unit_rows
from support.data.emoji import WHERE, drawn, emoji, is_installed

F32 = np.ndarray[Any, np.dtype[np.float32]]
DIM = 128
PLACES = 10
RESAMPLES = 2000


def read(log: Path, items: Path, most: int) -> dict[str, Any]:
    """Events on the `most` frequent items that have a title, in order of (user, time), and the items' texts and categories."""
    import pyarrow.parquet as pq

    catalogue = pq.read_table(items, columns=["item_id", "title", "description", "scenario"]).to_pydict()
    titles = dict(
        zip(
            map(str, catalogue["item_id"]),
            zip(catalogue["title"], catalogue["description"], catalogue["scenario"], strict=True),
            strict=True,
        )
    )
    events = pq.read_table(log, columns=["user_id", "item_id", "timestamp"])
    ids, item = np.unique(np.array(events["item_id"].to_pylist(), dtype=str), return_inverse=True)
    counts = np.bincount(item)
    frequent = [
        one for one in np.argsort(-counts, kind="stable").tolist() if (titles.get(str(ids[one])) or ("",))[0]
    ][:most]
    code = np.full(len(ids), -1, np.int64)
    code[frequent] = np.arange(len(frequent))
    _, user = np.unique(np.array(events["user_id"].to_pylist(), dtype=str), return_inverse=True)
    time = np.asarray(events["timestamp"].to_numpy(), np.float64)
    kept = np.flatnonzero(code[item] >= 0)
    order = kept[np.lexsort((time[kept], user[kept]))]
    named = [titles[str(ids[one])] for one in frequent]
    return {
        "user": user[order],
        "time": time[order],
        "item": code[item[order]],
        "texts": [f"{title}. {description}" for title, description, _ in named],
        "categories": [str(scenario) for _, _, scenario in named],
    }


def pictures(categories: list[str], text: ContentEncoder) -> list[Media]:
    """One of each item: its category's emoji, changed."""
    known = emoji()
    kinds = sorted(set(categories))
    raw = text.encoder.encode([one.name for one in known])
    wanted = text.encoder.encode([kind.lower() for kind in kinds])
    nearest = dict(zip(kinds, (wanted @ raw.T).argmax(axis=1).tolist(), strict=True))
    return [
        Media.of_bytes("image", drawn(known[nearest[kind]].text, np.random.default_rng(row)), 1 << 20)
        for row, kind in enumerate(categories)
    ]


def ndcg(scores: F32, target: int) -> float:
    """Of one relevant item."""
    place = int((scores > scores[target]).sum())
    return 1 / np.log2(place + 2) if place < PLACES else 0.0


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    arguments.add_argument("log", type=Path)
    arguments.add_argument("items", type=Path)
    arguments.add_argument("--most-items", type=int, default=900)
    arguments.add_argument("--queries", type=int, default=1500)
    given = arguments.parse_args()
    if not is_installed():
        sys.exit(WHERE)
    data = read(given.log, given.items, given.most_items)
    print(json.dumps(measure(data, given.queries)))


def measure(data: dict[str, Any], most: int) -> dict[str, Any]:
    user, time, item = data["user"], data["time"], data["item"]
    count = len(data["texts"])
    rng = np.random.default_rng(0)
    new = np.zeros(count, np.bool_)
    new[rng.choice(count, count // 4, replace=False)] = True
    cut = np.quantile(time, 0.9)
    learned = (time < cut) & ~new[item]
    basket = np.cumsum((np.diff(user[learned], prepend=-1) != 0) | (np.diff(time[learned], prepend=-1) != 0))
    behaviour = behaviour_vectors(item[learned], basket, user[learned], count, DIM, FitConfig())

    config = EncoderConfig(image=ImageEncoderConfig(model=EFFICIENTNET))
    text = ContentEncoder(config)
    whitening, texts = text.fit_encode(data["texts"])
    encoder = image_encoder(config.image, MediaConfig())
    kept = kept_vectors(config, encoder.fingerprint, encoder.raw_dim)
    content = MediaContent(encoder, DIM, 1.0, kept, 100_000)
    media = pictures(data["categories"], text)
    image_whitening = content.fit(list({one.digest: one for one in media}.values()))
    images = content.encode(media).vectors
    every = np.ones(count, np.bool_)
    both = ContentSpace({"text": whitening, "image": image_whitening}, {"text": 1.0, "image": 1.0})
    shown = ContentSpace({"image": image_whitening}, {"image": 1.0})
    shuffled = images[rng.permutation(count)]
    text_part = {"text": ModalityVectors(texts, every)}
    contents = {
        "image_shuffled": (shown, shown.rows({"image": ModalityVectors(shuffled, every)}, count)),
        "image": (shown, shown.rows({"image": ModalityVectors(images, every)}, count)),
        "text": (ContentSpace.of_text(whitening), texts),
        "text+image": (both, both.rows({**text_part, "image": ModalityVectors(images, every)}, count)),
    }
    queries = first_purchases(user, time, item, new, cut)
    rng.shuffle(queries)
    queries = queries[:most]
    candidates = np.flatnonzero(new)
    place = {one: number for number, one in enumerate(candidates.tolist())}
    found: dict[str, F32] = {
        "random": np.array([ndcg(rng.random(len(candidates)), place[target]) for _, target, _ in queries])
    }
    cosines: dict[str, Any] = {}
    keys = np.arange(1, count + 1, dtype=np.uint64)
    for name, (space, rows) in contents.items():
        fitted = fit_item_encoder(keys, behaviour, rows, every, space, FitConfig())
        assert fitted.ridge is not None
        # The map alone: the stored vector of an item without behaviour has a random part, too, while the map is unsure.
        vectors = np.where(new[:, None], fitted.ridge.map(rows), behaviour.vectors)
        cosines[name] = cosines_of(fitted)
        scores = []
        for _, target, before in queries:
            state = unit_rows(vectors[before].mean(axis=0, keepdims=True))[0]
            scores.append(ndcg(vectors[candidates] @ state, place[target]))
        found[name] = np.array(scores)
    owners = np.array([owner for owner, _, _ in queries])
    return {
        "benchmark": "pictures",
        "items": count,
        "new_items": int(new.sum()),
        "categories": len(set(data["categories"])),
        "queries": len(queries),
        "users": len(set(owners.tolist())),
        "held_out_cosine": cosines,
        "ndcg@10": {name: round(float(values.mean()), 4) for name, values in found.items()},
        "over_random": {name: interval(found[name] - found["random"], owners) for name in contents},
        "image_over_shuffled": interval(found["image"] - found["image_shuffled"], owners),
        "both_over_text": interval(found["text+image"] - found["text"], owners),
    }


def cosines_of(fitted: ItemEncoder) -> Any:
    """The map's held-out cosine, by pattern where it knows several."""
    if fitted.joined is not None:
        return {"+".join(pattern): round(value, 4) for pattern, value in fitted.joined.cosines.items()}
    return None if fitted.ridge is None else round(fitted.ridge.cosine, 4)


def first_purchases(user: Any, time: Any, item: Any, new: Any, cut: float) -> list[tuple[int, int, Any]]:
    """(user, new item, the user's known items before) of each first purchase of a new item after the cut."""
    queries = []
    starts = np.flatnonzero(np.diff(user, prepend=-1, append=-1))
    for start, end in itertools.pairwise(starts):
        had: set[int] = set()
        for row in range(start, end):
            one = int(item[row])
            if new[one] and one not in had and time[row] >= cut:
                before = item[start:row][(time[start:row] < time[row]) & ~new[item[start:row]]]
                if len(before):
                    queries.append((int(user[row]), one, before[-50:]))
            had.add(one)
    return queries


def interval(differences: Any, owners: Any) -> list[float]:
    """Mean and 95 % interval, users resampled."""
    rng = np.random.default_rng(1)
    _, group = np.unique(owners, return_inverse=True)
    sums, sizes = np.bincount(group, differences), np.bincount(group)
    draws = rng.integers(0, len(sums), (RESAMPLES, len(sums)))
    means = sums[draws].sum(axis=1) / sizes[draws].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return [round(float(value), 4) for value in (differences.mean(), low, high)]


if __name__ == "__main__":
    main()
