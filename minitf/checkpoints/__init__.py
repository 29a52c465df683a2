"""Read and write official checkpoints: find them, rename their tensors, load a model, save one."""
