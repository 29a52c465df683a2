"""Data augmentation in a run: the training texts are changed anew in each epoch."""

from collections.abc import Callable

from minitf.bert import Bert
from minitf.bert.device import choose_device
from minitf.checkpoints.load import load_model
from minitf.datasets import augmentation
from minitf.datasets.dataset import Dataset
from minitf.datasets.strings import cut
from minitf.errors import InputError
from minitf.fine_tuning.config import FineTuneConfig
from minitf.fine_tuning.terminal import Say
from minitf.mathematics import Mathematics
from minitf.tasks.base import Task
from minitf.tasks.masked_lm.fill import MaskedLanguageModel
from minitf.tasks.spec import Table
from minitf.text.batches import Examples
from minitf.text.tokenizer import Tokenizer
from minitf.training.workers import local_device


def augmented_examples(
    config: FineTuneConfig,
    train: Table,
    task: Task,
    tokenizer: Tokenizer,
    max_length: int,
    math: Mathematics,
    say: Say,
) -> Callable[[int], Examples] | None:
    """Return a function that maps an epoch number to its training examples; None without `augment`.

    Raises InputError for a task that is not about whole texts, and for a checkpoint that cannot replace words.
    """
    if config.data.augment is None:
        return None
    if not isinstance(train, Dataset):
        raise InputError(
            f"`augment` changes whole texts, and `task` {task.name} needs their parts unchanged; leave it out"
        )
    how, seed = augmentation.parse(config.data.augment, config.data.augment_share), config.recipe.seed
    fill = _masked_language_model(config, max_length, math, say) if how.replace else None

    def changed(epoch: int) -> Dataset:
        return augmentation.augment(train, how, seed, epoch, fill)

    first = changed(1)  # used for the printed examples and for the first epoch
    chances = ", ".join(f"{name} {getattr(how, name):g}" for name in augmentation.OPERATIONS if getattr(how, name))
    say(f"augmentation: in each epoch a training text is changed with probability {how.share:g}; per word: {chances}")
    for before, after in augmentation.changed_texts(train, first):
        say(f"  {_short(before)}\n    → {_short(after)}")

    def examples(epoch: int) -> Examples:
        return task.encode(first if epoch == 1 else changed(epoch), tokenizer, max_length)

    return examples


def _masked_language_model(config: FineTuneConfig, max_length: int, math: Mathematics, say: Say) -> augmentation.Fill:
    """Load the same checkpoint with its masked-LM head: a second model, which is not trained."""
    source = config.model.model
    model, loaded = load_model(
        source,
        Bert,
        head="masked-lm",
        math=math,
        device=local_device(choose_device(config.recipe.device)),
        offline=config.output.offline,
        say=say,
        verify=not config.model.no_verify,
        revision=config.model.revision,
    )
    if loaded.has_new_head or loaded.checked_tokenizer().mask_id is None:
        raise InputError(
            f"`augment` replace: {source} has no masked-LM head to predict other words; leave replace out, or use a"
            " pre-trained checkpoint that has one, such as bert-base-uncased"
        )
    return MaskedLanguageModel(model, loaded.checked_tokenizer(), max_length)


def _short(text: str) -> str:
    return cut(" ".join(text.split()), 100)
