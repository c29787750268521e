"""The bytes of EROFS inodes: pieces fetched, decoded and, where many share them, kept for a while."""

from __future__ import annotations

import bisect
from collections.abc import Iterator

from rocketaudit.errors import BudgetError, FormatError, UnsupportedError
from rocketaudit.formats.erofs.clusters import compressed_pieces
from rocketaudit.formats.erofs.decompress import LONGEST_DECODED, LONGEST_STORED, decode
from rocketaudit.formats.erofs.inode import Inode, Layout
from rocketaudit.formats.erofs.pieces import How, Piece, chunk_pieces, crossing_tail, flat_pieces
from rocketaudit.formats.erofs.superblock import INCOMPAT_ZERO_PADDING
from rocketaudit.formats.erofs.volume import Volume
from rocketaudit.model.filesystem import Extent
from rocketaudit.model.reader import stored_bytes

LONGEST_CHUNK = 4 << 20
# plain numbers, since looking a member up in its enum is felt where every file does it
_PLAIN, _INLINE, _CHUNKED = int(Layout.PLAIN), int(Layout.INLINE), int(Layout.CHUNKED)
_AS_IT_IS, _HOLE, _INTERLACED, _FRAGMENT = How.PLAIN, How.HOLE, How.INTERLACED, How.FRAGMENT
_ZEROS = bytes(1 << 20)
_CACHED_BYTES = 16 << 20
_CACHED_MAPS = 4
_LONGEST_CACHED_MAP = 1 << 17


class Data:
    """Reads what inodes hold. `packed` and `metabox` are inodes too, set by whoever opens the volume.

    Decoded extents (at most 16 MiB) and maps (at most 4) are kept, because fragments and small reads ask for
    neighbouring parts of the same extent again and again.
    """

    def __init__(self, volume: Volume) -> None:
        self.volume = volume
        self.packed: Inode | None = None
        self.packed_error = "the volume has no packed inode"
        self.metabox_nid = 0
        self._block_size = volume.superblock.block_size
        volume.budget.allow(stored_bytes(volume.reader))
        self._padded = bool(volume.superblock.incompat & INCOMPAT_ZERO_PADDING)
        self._mapped = isinstance(volume.reader.read(0, 1), memoryview)
        self._decoded: dict[tuple[int, int, int, int], bytes] = {}
        self._decoded_bytes = 0
        self._maps: dict[int, list[Piece]] = {}

    def pieces(self, inode: Inode) -> Iterator[Piece]:
        """The pieces of an inode in order, without gaps, `inode.size` bytes together."""
        if inode.layout == _PLAIN or inode.layout == _INLINE:
            return flat_pieces(self.volume, inode)
        if inode.layout == _CHUNKED:
            return chunk_pieces(self.volume, inode)
        return compressed_pieces(self.volume, inode)

    def chunks(self, inode: Inode) -> Iterator[bytes | memoryview]:
        """All bytes of an inode, in views of the reader's memory where it has any and nothing is compressed."""
        self.volume.budget.check_time()
        if inode.layout == _INLINE and 0 < inode.size < self._block_size:
            yield self._tail(inode, 0, inode.size)
            return
        for piece in self.pieces(inode):
            if piece.how >= 0 or piece.how is _INTERLACED:
                yield self._decode(inode, piece)
            elif piece.how is _FRAGMENT:
                yield from self._fragment(inode, piece.physical, piece.length)
            elif piece.how is _HOLE:
                yield from self._zeros(piece.length)
            else:
                yield from self._plain(inode, piece)

    def read(self, inode: Inode, offset: int, length: int) -> bytes:
        """The bytes from `offset` on, fewer only at the end of the inode."""
        length = max(0, min(length, inode.size - offset))
        if inode.layout == _INLINE and inode.size < self._block_size:  # most directories and links
            return self._tail(inode, offset, length)
        if length > self.volume.budget.entry_bytes:
            raise BudgetError(f"EROFS inode {inode.nid}: {length} bytes wanted at once", offset=inode.at)
        parts = list(self._range(inode, offset, length))
        return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)

    def _tail(self, inode: Inode, offset: int, length: int) -> bytes:
        """Bytes of an inode that lie behind it alone, most often in a page that is at hand already."""
        if not length:
            return b""
        if inode.body % self._block_size + inode.size > self._block_size:
            raise crossing_tail(inode, inode.size)
        buffer, position = self.volume.space(boxed=inode.boxed).at(inode.body + offset, length)
        return bytes(buffer[position : position + length])

    def extents(self, inode: Inode) -> Iterator[Extent]:
        """Where the bytes lie in the volume; a fragment gives the extents of the packed inode that hold it."""
        for piece in self.pieces(inode):
            if piece.how is _FRAGMENT:
                yield from self._fragment_extents(inode, piece)
            elif piece.how is _HOLE or piece.device or (piece.inline and inode.boxed):
                yield Extent(piece.logical, piece.length, None, 0)
            else:
                stored = piece.length if piece.how is _AS_IT_IS and not piece.partial else piece.stored
                yield Extent(piece.logical, piece.length, piece.physical, stored)

    def _range(self, inode: Inode, offset: int, length: int) -> Iterator[bytes | memoryview]:
        end = offset + length
        for piece in self._pieces_from(inode, offset):
            if piece.logical >= end:
                break
            skip = max(0, offset - piece.logical)
            take = min(end, piece.logical + piece.length) - piece.logical - skip
            if take <= 0:
                continue
            if piece.how >= 0 or piece.how is _INTERLACED:
                yield memoryview(self._decode_cached(inode, piece))[skip : skip + take]
            elif piece.how is _FRAGMENT:
                yield from self._fragment(inode, piece.physical + skip, take)
            elif piece.how is _HOLE:
                yield from self._zeros(take)
            else:
                self._check_plain(inode, piece)
                yield self._stored(inode, piece, skip, take)

    def _pieces_from(self, inode: Inode, offset: int) -> Iterator[Piece]:
        """The pieces from the one that holds `offset` on; maps of moderate length are kept."""
        if inode.layout not in (Layout.COMPRESSED_FULL, Layout.COMPRESSED_COMPACT):
            return self.pieces(inode)
        kept = self._maps.get(inode.nid)
        if kept is None:
            if inode.size >> self.volume.superblock.block_bits > _LONGEST_CACHED_MAP or not offset:
                return self.pieces(inode)
            kept = list(self.pieces(inode))
            while len(self._maps) >= _CACHED_MAPS:
                del self._maps[next(iter(self._maps))]
            self._maps[inode.nid] = kept
        first = bisect.bisect_right(kept, offset, key=lambda piece: piece.logical) - 1
        return iter(kept[max(0, first) :])

    def _plain(self, inode: Inode, piece: Piece) -> Iterator[bytes | memoryview]:
        self._check_plain(inode, piece)
        step = piece.length if self._mapped else LONGEST_CHUNK
        self.volume.budget.give(piece.length)  # pieces of many files may all be the same
        for start in range(0, piece.length, max(step, 1)):
            yield self._stored(inode, piece, start, min(step, piece.length - start))

    def _check_plain(self, inode: Inode, piece: Piece) -> None:
        if piece.length > piece.stored:
            raise FormatError(f"EROFS inode {inode.nid}: {piece.length} plain bytes in {piece.stored}", offset=inode.at)
        space = self.volume.space(boxed=inode.boxed) if piece.inline else self.volume.image
        if not piece.device and piece.physical + piece.length > space.size:
            raise FormatError(
                f"EROFS inode {inode.nid}: {piece.length} bytes at {piece.physical} lie past the end",
                offset=inode.at,
            )

    def _stored(self, inode: Inode, piece: Piece, start: int, length: int) -> bytes | memoryview:
        """`length` stored bytes of a piece, from its byte `start` on."""
        at = piece.physical + start
        if piece.inline:
            return self.volume.space(boxed=inode.boxed).read(at, length)
        device = piece.device or self._device_at(at)
        if device:
            raise UnsupportedError(f"EROFS inode {inode.nid}: its data lies on extra device {device}", offset=inode.at)
        return self.volume.image.read(at, length)

    def _device_at(self, at: int) -> int:
        block = at >> self.volume.superblock.block_bits
        for number, device in enumerate(self.volume.superblock.devices, 1):
            if device.first_block and device.first_block <= block < device.first_block + device.blocks:
                return number
        return 0

    def _zeros(self, length: int) -> Iterator[bytes | memoryview]:
        self.volume.budget.skip(length)
        while length:
            step = min(length, len(_ZEROS))
            self.volume.budget.check_time()
            yield _ZEROS if step == len(_ZEROS) else bytes(step)
            length -= step

    def _decode(self, inode: Inode, piece: Piece) -> bytes:
        if piece.stored > LONGEST_STORED or piece.length > LONGEST_DECODED:
            raise FormatError(
                f"EROFS inode {inode.nid}: extent of {piece.stored} bytes for {piece.length}", offset=inode.at
            )
        self.volume.budget.produce(piece.length)
        try:
            stored = self._stored(inode, piece, 0, piece.stored)
            if piece.how is _INTERLACED:
                return self._interlaced(inode, piece, stored)
            return decode(
                piece.how,
                stored,
                piece.length,
                partial=piece.partial,
                padded=self._padded,
                block_size=self.volume.superblock.block_size,
            )
        except UnsupportedError:
            raise
        except FormatError as error:
            raise FormatError(
                f"EROFS inode {inode.nid}, byte {piece.logical}: {error.message}", offset=piece.physical
            ) from None

    def _interlaced(self, inode: Inode, piece: Piece, stored: bytes | memoryview) -> bytes:
        """Bytes as they are, but rotated so that each lies at its own place within a block."""
        if piece.length > piece.stored:
            raise FormatError(f"{piece.length} plain bytes in {piece.stored}", offset=inode.at)
        block_size = self.volume.superblock.block_size
        skip = piece.logical % block_size
        first = min(block_size - skip, piece.length)
        return bytes(stored[skip : skip + first]) + bytes(stored[: piece.length - first])

    def _decode_cached(self, inode: Inode, piece: Piece) -> bytes:
        key = (inode.nid if piece.inline else -1, piece.physical, piece.logical, piece.length)
        kept = self._decoded.get(key)
        if kept is not None:
            return kept
        decoded = self._decode(inode, piece)
        self._decoded[key] = decoded
        self._decoded_bytes += len(decoded)
        while self._decoded_bytes > _CACHED_BYTES and len(self._decoded) > 1:
            self._decoded_bytes -= len(self._decoded.pop(next(iter(self._decoded))))
        return decoded

    def _packed_for(self, inode: Inode) -> Inode:
        packed = self.packed
        if packed is None:
            raise FormatError(f"EROFS inode {inode.nid}: {self.packed_error}", offset=inode.at)
        if inode.nid in (packed.nid, self.metabox_nid):
            raise FormatError(f"EROFS inode {inode.nid}: a fragment inside the packed inode", offset=inode.at)
        return packed

    def _fragment(self, inode: Inode, offset: int, length: int) -> Iterator[bytes | memoryview]:
        packed = self._packed_for(inode)
        if offset + length > packed.size:
            raise FormatError(
                f"EROFS inode {inode.nid}: fragment {offset}+{length} lies past the packed {packed.size} bytes",
                offset=inode.at,
            )
        self.volume.budget.produce(length)
        return self._range(packed, offset, length)

    def _fragment_extents(self, inode: Inode, fragment: Piece) -> Iterator[Extent]:
        packed = self._packed_for(inode)
        end = fragment.physical + fragment.length
        for piece in self._pieces_from(packed, fragment.physical):
            begin = max(piece.logical, fragment.physical)
            length = min(end, piece.logical + piece.length) - begin
            if piece.logical >= end:
                break
            if length > 0:
                logical = fragment.logical + begin - fragment.physical
                if piece.how is _AS_IT_IS and not piece.inline:
                    yield Extent(logical, length, piece.physical + begin - piece.logical, length)
                elif piece.how < _INTERLACED or piece.how is _HOLE or (piece.inline and packed.boxed):
                    yield Extent(logical, length, None, 0)
                else:
                    yield Extent(logical, length, piece.physical, piece.stored)
