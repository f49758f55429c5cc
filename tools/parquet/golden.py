#!/usr/bin/env python3
"""Writes tests/foreign/parquet: small tables of images by pyarrow, in the form of the `datasets` library and others.

    pip install pyarrow && python3 tools/parquet/golden.py

The tests need none of this: the files are kept. Pixels are a formula, the same as in the tests.
"""

import json
import pathlib
import struct
import zlib

import pyarrow as pa
import pyarrow.parquet as pq

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "foreign" / "parquet"
SIDE = 4


def png(row, colour=True):
    """Pixel (channel k, y, x) of image `row` is (row * 7 + k * 50 + y * 10 + x) % 256."""
    channels = 3 if colour else 1
    raw = b"".join(
        b"\0" + bytes((row * 7 + k * 50 + y * 10 + x) % 256 for x in range(SIDE) for k in range(channels))
        for y in range(SIDE)
    )

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2 if colour else 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def hugging_face(rows, hole=None):
    image = [{"bytes": None if r == hole else png(r), "path": f"{r}.png"} for r in rows]
    features = {
        "image": {"_type": "Image"},
        "label": {"names": ["cat", "dog", "stop sign"], "_type": "ClassLabel"},
    }
    schema = pa.schema(
        [("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), ("label", pa.int64())],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    return pa.table({"image": image, "label": [r % 3 for r in rows]}, schema=schema)


if __name__ == "__main__":
    (OUT / "data").mkdir(parents=True, exist_ok=True)
    pq.write_table(hugging_face(range(7)), OUT / "data" / "train-00000-of-00002.parquet", row_group_size=3)
    pq.write_table(hugging_face(range(7, 12)), OUT / "data" / "train-00001-of-00002.parquet")
    pq.write_table(hugging_face(range(3)), OUT / "data" / "test-00000-of-00001.parquet", compression="none")
    pq.write_table(hugging_face(range(4), hole=2), OUT / "hole.parquet")
    # Grey and coloured images in a plain column, gzip, pages of the second version, no dictionary.
    plain = pa.table({"id": pa.array(["a"] * 5), "img": [png(r, r == 3) for r in range(5)],
                      "label": pa.array([1, 1, 1, 0, 1], pa.int32())})
    pq.write_table(plain, OUT / "plain.parquet", compression="gzip", data_page_version="2.0",
                   use_dictionary=["label"], data_page_size=64, write_batch_size=1)
    pq.write_table(plain, OUT / "zstd.parquet", compression="zstd")
