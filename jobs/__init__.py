"""What runs: entry points, engines, the store and the command line."""

from jobs.spark.cpu import leave_out_avx512

leave_out_avx512()  # before NumPy is imported, in every process that is ours
