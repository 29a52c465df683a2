"""The names that the settings have in the scripts of transformers, for suggestions. Torch-free."""

from collections.abc import Sequence

from minitf.datasets.strings import did_you_mean

# Name in transformers -> setting.
OTHER_NAMES = {
    "learning_rate": "lr",
    "num_train_epochs": "epochs",
    "max_epochs": "epochs",
    "train_batch_size": "batch_size",
    "per_device_train_batch_size": "batch_size",
    "per_gpu_train_batch_size": "batch_size",
    "eval_batch_size": "batch_size",
    "per_device_eval_batch_size": "batch_size",
    "per_gpu_eval_batch_size": "batch_size",
    "gradient_accumulation_steps": "accumulate",
    "max_seq_length": "max_length",
    "max_source_length": "max_length",
    "doc_stride": "stride",
    "model_name_or_path": "model",
    "model_revision": "revision",
    "train_file": "train",
    "validation_file": "valid",
    "test_file": "test",
    "predict_file": "input",
    "text_column_name": "text",
    "text_column": "text",
    "label_column_name": "label",
    "label_column": "label",
    "output_dir": "output",
    "overwrite_output_dir": "overwrite",
    "resume_from_checkpoint": "resume",
    "save_steps": "save_every",
    "optim": "optimizer",
    "lr_scheduler_type": "schedule",
    "warmup_ratio": "warmup",
    "warmup_proportion": "warmup",
    "max_grad_norm": "clip",
    "label_smoothing_factor": "label_smoothing",
    "metric_for_best_model": "metric",
    "early_stopping_patience": "early_stopping",
    "task_name": "task",
    "fp16": "precision",
    "bf16": "precision",
    "no_cuda": "device",
    "num_beams": "beams",
    "do_sample": "sample",
    "num_return_sequences": "n_best",
}


def suggest_setting(name: str, settings: Sequence[str]) -> str:
    """Return the setting that was probably meant, as a question in brackets, or ""."""
    setting = OTHER_NAMES.get(name.lower())
    return f" (did you mean {setting!r}?)" if setting in settings else did_you_mean(name, settings)
