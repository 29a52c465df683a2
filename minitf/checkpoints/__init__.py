"""Official weights in and out: where they are found, how their tensors are named, how they are read and written."""
