from minitf.attention_maps.collect import attention as attention
from minitf.checkpoints.load import load as load
from minitf.checkpoints.load import load_tokenizer as load_tokenizer
from minitf.checkpoints.load import load_with_report as load_with_report
from minitf.errors import DataError as DataError
from minitf.errors import DivergedError as DivergedError
from minitf.errors import InputError as InputError
from minitf.errors import Interrupted as Interrupted
from minitf.fine_tuning.evaluation import score as score
from minitf.fine_tuning.generation import generator as generator
from minitf.fine_tuning.prediction import predictor as predictor
from minitf.fine_tuning.run import fine_tune as fine_tune

__version__: str
