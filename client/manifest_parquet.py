"""A Parquet file as rows of text: each cell as a CSV file would hold it.

Whole numbers have no ``.0`` (a column of integers with a gap is one of floats, if pandas wrote it), null and NaN are
empty, true and false are 1 and 0, dates and times are as in ISO 8601.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fedgraft.common.errors import DataError

MAGIC = b"PAR1"
BATCH = 4_096
CELL_BYTES = 131_072
_FOOTER_BYTES = 64_000_000
GROUP_BYTES = 500_000_000
_EXACT = 2.0**53


def parquet_rows(path: Path, columns: int) -> Iterator[Sequence[str]]:
    """The column names, then the cells of each row.

    Args:
        columns: the most that are read.

    Raises:
        DataError: not a Parquet file that can be read, a column holds lists, structures or bytes, or a part of the file
            says that it is larger in memory than is allowed.
    """
    import pyarrow as pa  # takes half a second, which a CSV file need not wait for
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(
            path, memory_map=False, thrift_string_size_limit=_FOOTER_BYTES, thrift_container_size_limit=1_000_000
        )
        _check_size(path, file.metadata, columns)
        yield file.schema_arrow.names
        for batch in file.iter_batches(batch_size=BATCH, use_threads=False):
            yield from zip(*(_texts(path, number, column) for number, column in enumerate(batch, 1)), strict=True)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise DataError(f"manifest {path} is not a Parquet file that can be read ({type(error).__name__})") from None


def _check_size(path: Path, metadata: Any, columns: int) -> None:
    if metadata.num_columns > columns:
        raise DataError(f"manifest {path} has {metadata.num_columns} columns; {columns} are the most")
    groups = (metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    if max(groups, default=0) > GROUP_BYTES:
        raise DataError(
            f"manifest {path} has a row group of more than {GROUP_BYTES} bytes; write it with smaller row groups"
        )


def _texts(path: Path, number: int, column: Any) -> list[str]:
    """One column of a batch as text."""
    import pyarrow as pa
    from pyarrow import compute, types

    kind = column.type
    if types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if types.is_null(kind):
        return [""] * len(column)
    if types.is_boolean(kind):
        column = column.cast(pa.int8())
    elif types.is_floating(kind):
        column = _without_point_zero(column)
    elif (
        types.is_nested(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
    ):
        raise DataError(f"manifest {path}: column {number} holds neither text nor numbers nor dates; leave it out")
    text = compute.fill_null(column.cast(pa.large_string()), "")
    longest = compute.max(compute.binary_length(text)).as_py() or 0
    if longest > CELL_BYTES:
        raise DataError(f"manifest {path}: column {number} holds a cell of more than {CELL_BYTES} bytes; leave it out")
    cells: list[str] = text.to_pylist()
    if any("\0" in cell for cell in cells):
        raise DataError(f"manifest {path}: column {number} holds a NUL character")
    return cells


def _bytes_types() -> tuple[Any, ...]:
    from pyarrow import types

    return types.is_binary, types.is_large_binary, types.is_fixed_size_binary


def _without_point_zero(column: Any) -> Any:
    """Floats as text: whole numbers as integers, others in the fewest digits that give the number back."""
    import pyarrow as pa
    from pyarrow import compute

    if column.type == pa.float16():
        column = column.cast(pa.float32())
    column = compute.if_else(compute.is_nan(column), None, column)
    whole = compute.and_(compute.equal(compute.floor(column), column), compute.less(compute.abs(column), _EXACT))
    integers = compute.if_else(whole, column, 0).cast(pa.int64(), safe=False).cast(pa.string())
    return compute.if_else(whole, integers, column.cast(pa.string()))
