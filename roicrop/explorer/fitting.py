"""How much of a job fits on its page: channels are dropped first, then photographs, then images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from roicrop.errors import ArgumentError
from roicrop.explorer.content import Content, as_text
from roicrop.text import many

MAX_SIZE: Final = 20_000_000  # bytes of a page


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The parts of a job that are not on its page, for lack of room."""

    channels: int = 0
    photographs: int = 0
    images: int = 0
    boxes: int = 0

    def __str__(self) -> str:
        """In words: "88 of …"; "" if nothing is left out."""
        counts = {
            "channel": self.channels,
            "photograph": self.photographs,
            "image": self.images,
        }
        said = [many(count, name) for name, count in counts.items() if count]
        if self.boxes:
            said[-1] += f" with {many(self.boxes, 'box', 'boxes')}"
        return ", ".join(said)


@dataclass(frozen=True, slots=True)
class Fitted:
    """The content of a page as JSON, and what it holds.

    images, boxes: how many. channels: their numbers in the maps.
    """

    text: str
    images: int
    boxes: int
    channels: list[int]
    left_out: LeftOut


def fitted(content: Content, room: int, max_size: int, progress: Callable[[int], object]) -> Fitted:
    """As much of the content as fits.

    room: bytes for the content, out of `max_size` for the page.

    Raises ArgumentError if one channel of one image is too much.
    """
    head = content.head()
    room -= len(as_text(head)) + _FRAME + 8 * len(content.channels)
    images: list[int] = []
    texts: list[_Image] = []
    for image in content.images:
        text = _Image.of(content, image)
        if text.size > room:
            break
        room -= text.size
        images.append(image)
        texts.append(text)
    if not images:
        least = max_size - room + _Image.of(content, content.images[0]).size
        raise ArgumentError(
            f"--max-size {max_size:,}: the first image takes a page of {least:,} bytes, "
            "with one channel and no photograph: give at least that, or fewer --box"
        )
    photographs, without = [], 0
    for image in images:
        photograph = content.photograph(image)
        if photograph is not None and len(photograph) > room:
            photograph, without = None, without + 1
        room -= len(photograph or "")
        photographs.append(photograph)
    each = sum(map(content.channel_sizes, images))
    channels = sorted(content.channels[: 1 + room // each])
    left_out = LeftOut(
        channels=len(content.channels) - len(channels),
        photographs=without,
        images=len(content.images) - len(images),
        boxes=sum(1 for i in content.images[len(images) :] for _ in content.boxes(i)),
    )
    head |= {"channels": channels, "left_out": str(left_out)}
    parts = [
        f'"boxes":[{",".join(box for text in texts for box in text.boxes)}]',
        f'"images":[{",".join(_with_photographs(texts, photographs))}]',
        f'"maps":[{",".join(_with_channels(content, images, channels, texts, progress))}]',
    ]
    return Fitted(
        f"{as_text(head)[:-1]},{','.join(parts)}}}",
        len(images),
        sum(len(text.boxes) for text in texts),
        channels,
        left_out,
    )


_FRAME: Final = 400  # bytes for the names and brackets around the parts, and for `LeftOut`


@dataclass(frozen=True, slots=True)
class _Image:
    """One image's records as text, and the bytes that the image takes with one channel."""

    image: str
    boxes: list[str]
    maps: list[str]
    size: int

    @classmethod
    def of(cls, content: Content, image: int) -> _Image:
        its = as_text(content.image(image))
        boxes = [as_text(box) for box in content.boxes(image)]
        maps = [as_text(each) for each in content.maps(image)]
        names = sum(len(text) + 1 for text in [its, *boxes, *maps])
        size = names + 20 * (1 + len(maps)) + content.channel_sizes(image)
        return cls(its, boxes, maps, size)


def _with_photographs(texts: list[_Image], photographs: list[str | None]) -> Iterator[str]:
    for text, photograph in zip(texts, photographs, strict=True):
        yield f'{text.image[:-1]},"photo":{as_text(photograph)}}}'


def _with_channels(
    content: Content,
    images: list[int],
    channels: list[int],
    texts: list[_Image],
    progress: Callable[[int], object],
) -> Iterator[str]:
    maps = [text for each in texts for text in each.maps]
    for text, features in zip(maps, content.features(images, channels), strict=True):
        yield f'{text[:-1]},"channels":{as_text(features)}}}'
        progress(1)
