"""Vectors that lie in columns: as a matrix, and their inner product."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from pyspark.sql import Column
from pyspark.sql import functions as F

from pipeline.ports import FloatMatrix


def inner_product(left: Column, right: Column) -> Column:
    """Return the inner product of two float arrays, summed in double from the first dimension on; null when one is."""
    products = F.zip_with(left, right, lambda x, y: x.cast("double") * y.cast("double"))
    return F.aggregate(products, F.lit(0.0).cast("double"), lambda total, product: total + product)


def matrix_of(vectors: pa.Array) -> FloatMatrix:
    """Return a list column as a matrix (B, H) float32."""
    flat = vectors.flatten().to_numpy(zero_copy_only=False)
    return np.ascontiguousarray(flat, dtype=np.float32).reshape(len(vectors), -1)
