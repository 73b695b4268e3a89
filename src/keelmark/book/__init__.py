"""The columns of record: what every unit holds, in integers, and the kernels that scan it."""
