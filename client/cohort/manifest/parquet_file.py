"""Read a Parquet file as rows of text, with cells as in the equivalent CSV file.

Whole numbers have no ``.0`` (pandas writes integers with missing values as floats), null and NaN are empty, true and
false are 1 and 0, dates and times are in ISO 8601. Text is read with its dictionary, so that repeated cells are held
once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fedgraft.common.errors import DataError

MAGIC = b"PAR1"
BATCH = 1_024
CELL_BYTES = 131_072
GROUP_BYTES = 250_000_000
_FOOTER_BYTES = 16_000_000
_FOOTER_ITEMS = 1_000_000
_EXACT = 2.0**53


def parquet_rows(path: Path, columns: int) -> Iterator[Sequence[str]]:
    """Yield the column names, then the cells of each row.

    Args:
        columns: the largest number of columns that is accepted.

    Raises:
        DataError: not a Parquet file that can be read, a column holds lists, structures or bytes, or a cell or row
            group is larger than is allowed.
    """
    import pyarrow as pa  # takes half a second, which a CSV file need not wait for

    try:
        file = _opened(path, columns)
        yield file.schema_arrow.names
        for batch in file.iter_batches(batch_size=BATCH, use_threads=False):
            yield from zip(*(_texts(path, number, column) for number, column in enumerate(batch, 1)), strict=True)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise DataError(f"manifest {path} is not a Parquet file that can be read ({type(error).__name__})") from None


def _opened(path: Path, columns: int) -> Any:
    """A `pyarrow.parquet.ParquetFile` whose types and sizes are allowed, with text as dictionaries."""
    from pyarrow import parquet, types

    limits = {"thrift_string_size_limit": _FOOTER_BYTES, "thrift_container_size_limit": _FOOTER_ITEMS}
    file = parquet.ParquetFile(path, memory_map=False, pre_buffer=False, **limits)
    metadata, schema = file.metadata, file.schema_arrow
    if metadata.num_columns > columns:
        raise DataError(f"manifest {path} has {metadata.num_columns} columns; {columns} are the most")
    for number, field in enumerate(schema, start=1):
        kind = field.type.value_type if types.is_dictionary(field.type) else field.type
        if types.is_nested(kind) or "binary" in str(kind) or hasattr(kind, "storage_type"):
            raise DataError(f"manifest {path}: column {number} holds neither text nor numbers nor dates; leave it out")
    groups = (metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    if max(groups, default=0) > GROUP_BYTES:
        raise DataError(
            f"manifest {path} has a row group of more than {GROUP_BYTES} bytes; write it with smaller row groups"
        )
    text = [field.name for field in schema if types.is_string(field.type) or types.is_large_string(field.type)]
    return parquet.ParquetFile(path, memory_map=False, pre_buffer=False, read_dictionary=text, **limits)


def _texts(path: Path, number: int, column: Any) -> list[str]:
    """One column of a batch as text."""
    from pyarrow import types

    if not types.is_dictionary(column.type):
        return _plain(path, number, column)
    values = _plain(path, number, column.dictionary)
    return ["" if place is None else values[place] for place in column.indices.to_pylist()]


def _plain(path: Path, number: int, column: Any) -> list[str]:
    """A column that is not dictionary-encoded, as text."""
    import pyarrow as pa
    from pyarrow import compute, types

    if types.is_null(column.type):
        return [""] * len(column)
    if types.is_boolean(column.type):
        column = column.cast(pa.int8())
    elif types.is_floating(column.type):
        column = _without_point_zero(column)
    text = compute.fill_null(column.cast(pa.large_string()), "")
    if (compute.max(compute.binary_length(text)).as_py() or 0) > CELL_BYTES:
        raise DataError(f"manifest {path}: column {number} holds a cell of more than {CELL_BYTES} bytes; leave it out")
    cells: list[str] = text.to_pylist()
    if any("\0" in cell for cell in cells):
        raise DataError(f"manifest {path}: column {number} holds a NUL character")
    return cells


def _without_point_zero(column: Any) -> Any:
    """Floats as text: whole numbers as integers, others with the fewest digits that restore the number."""
    import pyarrow as pa
    from pyarrow import compute

    if column.type == pa.float16():
        column = column.cast(pa.float32())
    column = compute.if_else(compute.is_nan(column), None, column)
    whole = compute.and_(compute.equal(compute.floor(column), column), compute.less(compute.abs(column), _EXACT))
    integers = compute.if_else(whole, column, 0).cast(pa.int64(), safe=False).cast(pa.string())
    return compute.if_else(whole, integers, column.cast(pa.string()))
