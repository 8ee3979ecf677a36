"""ItemVectorizer: the vectors of one store, of items and of texts, with a fitted item encoder or without."""

from collections.abc import Mapping, Sequence

import numpy as np
import xxhash

from encoders.arrays import F32, U64, Bool
from encoders.content import NO_TEXT, ContentEncoder
from encoders.errors import EncoderMismatch
from encoders.item_encoder import ItemEncoder
from encoders.joined import ModalityVectors, blended_contents
from encoders.media import Modality
from encoders.media_content import MediaContent
from encoders.media_encoder import EncodedMedia
from encoders.media_source import LocatedMedia, reference_fingerprint
from encoders.progress import OnProgress
from encoders.unseen import unseen_vectors


class ItemVectorizer:
    """Items and texts to (N, D) float32 unit vectors that may be compared with each other.

    Without a fitted encoder an item's vector is that of its text, blended with those of its picture and sound; with one,
    behaviour and mapped content together. An item of which neither is known has the vector that its id determines.

    Raises:
        WhiteningMismatch: the encoder's map was learned on vectors of another model.
        EncoderMismatch: it was learned on pictures or sounds, and none are encoded here.
    """

    def __init__(
        self,
        content: ContentEncoder,
        fitted: ItemEncoder | None = None,
        media: Mapping[Modality, MediaContent] | None = None,
    ) -> None:
        """media: what encodes pictures and sounds; a fitted encoder makes use of those that it was fitted with."""
        self._content = content
        self.fitted = fitted
        self.media = dict(media or {})
        if fitted is None:
            return
        if fitted.whitening is not None:
            content.use(fitted.whitening)
        space = None if fitted.joined is None else fitted.joined.space
        wanted = [] if space is None else [name for name in space.modalities if name != "text"]
        if lacking := [name for name in wanted if name not in self.media]:
            raise EncoderMismatch(
                f"the item encoder was fitted with {' and '.join(lacking)}; set encoder.{lacking[0]}.model as it was then"
            )
        self.media = {name: self.media[name] for name in wanted}
        for name in wanted:
            assert space is not None
            self.media[name].use(space.whitenings[name])

    @property
    def dim(self) -> int:
        """Columns of the vectors."""
        return self._content.dim if self.fitted is None else self.fitted.dim

    def fingerprints(
        self, keys: U64, texts: Sequence[str], media: Mapping[Modality, Sequence[LocatedMedia]] | None = None
    ) -> list[str]:
        """Per item (N) hex over all that its vector is made of: equal ones have one vector, in any process.

        "none" where nothing but the id is known. With a fitted encoder every item has a vector of its own. media: by modality,
        (N) each; one that can't be used is as none.
        """
        contents = [self._content.content_fingerprint(text) for text in texts]
        for name, content in self.media.items():
            digests = map(reference_fingerprint, (media or {}).get(name, [None] * len(texts)))
            contents = [
                xxhash.xxh3_128_hexdigest(f"{known}\n{content.fingerprint}\n{digest}".encode())
                if digest
                else known
                for known, digest in zip(contents, digests, strict=True)
            ]
        if self.fitted is None:
            return contents
        met = self.fitted.has_behaviour(keys).tolist()
        return [
            content
            if content == NO_TEXT and not own
            else xxhash.xxh3_128_hexdigest(f"{self.fitted.fingerprint}\n{content}\n{key}".encode())
            for content, own, key in zip(contents, met, keys.tolist(), strict=True)
        ]

    def items(
        self,
        item_ids: Sequence[str],
        keys: U64,
        texts: Sequence[str],
        progress: OnProgress | None = None,
        media: Mapping[Modality, EncodedMedia] | None = None,
    ) -> F32:
        """(N, D) vectors of items; keys (N,) of the same items, texts "" where there is none.

        `progress` gets the number of texts that went through the model. media: what `MediaContent.encode` gave, zeros where
        there is none.
        """
        worded = np.array([bool(text.strip()) for text in texts], np.bool_)
        content = np.zeros((len(keys), self._content.dim), np.float32)
        if worded.any():
            content[worded] = self._content.encode(
                [text for text in texts if text.strip()], progress, keep=True
            )
        if media and self.media:
            vectors = self._of_several(keys, ModalityVectors(content, worded), media)
        elif self.fitted is None:
            vectors = content
        else:
            vectors = self.fitted.vectors(keys, *self._known(keys, ModalityVectors(content, worded), {}))
        self._stand_in(vectors, item_ids)
        return vectors

    def unseen(self, item_ids: Sequence[str], keys: U64) -> tuple[F32, Bool]:
        """(N, D) vectors of items that no catalogue has described, and (N,) whether behaviour is known of them."""
        vectors = np.zeros((len(keys), self.dim), np.float32)
        if self.fitted is not None:
            nothing = ModalityVectors(
                np.zeros((len(keys), self._content.dim), np.float32), np.zeros(len(keys), np.bool_)
            )
            vectors = self.fitted.vectors(keys, *self._known(keys, nothing, {}))
        known = np.asarray(vectors.any(axis=1), np.bool_)
        self._stand_in(vectors, item_ids)
        return vectors, known

    def texts(self, texts: Sequence[str]) -> F32:
        """(N, D) vectors of texts, such as what a user types."""
        content = self._content.encode(texts)
        return content if self.fitted is None else self.fitted.texts(content)

    def _of_several(self, keys: U64, text: ModalityVectors, media: Mapping[Modality, EncodedMedia]) -> F32:
        others = {
            name: ModalityVectors(
                media[name].vectors, np.array([result == "ok" for result in media[name].results], np.bool_)
            )
            for name in self.media
            if name in media
        }
        if self.fitted is None:
            shares = {name: content.share for name, content in self.media.items()}
            return blended_contents({"text": text, **others}, shares, self.dim)
        return self.fitted.vectors(keys, *self._known(keys, text, others))

    def _known(
        self, keys: U64, text: ModalityVectors, others: Mapping[Modality, ModalityVectors]
    ) -> tuple[F32, Bool]:
        """(N, D0) what the fitted encoder takes, and (N,) whether there is any."""
        joined = None if self.fitted is None else self.fitted.joined
        if joined is None:
            return text.vectors, text.present
        contents = {"text": text, **others}
        known = np.zeros(len(keys), np.bool_)
        for name in joined.space.modalities:
            known |= contents[name].present if name in contents else False
        return joined.space.rows(contents, len(keys)), known

    def _stand_in(self, vectors: F32, item_ids: Sequence[str]) -> None:
        """Fill the rows of zeros in place."""
        bare = np.flatnonzero(~vectors.any(axis=1))
        if len(bare):
            vectors[bare] = unseen_vectors([item_ids[row] for row in bare.tolist()], self.dim)
