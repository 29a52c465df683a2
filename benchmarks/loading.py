"""Load weights of bert-base size in every layout, beside `transformers`: time and private memory.

    python -m benchmarks.loading

Each load runs in a new process that has imported everything; this process reads its memory from outside meanwhile.
minitf and the reference take turns. Weights that are mapped from a file cost nothing until they are used, so the clock
stops when every weight has been read once. For comparison, a third process reads the bytes of the files and builds the
model without numbers: a lower bound for a load. The files are in the page cache.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import record

LAYOUTS = ("safetensors", "bin", "legacy bin", "tensorflow", "tensorflow, unverified", "tensorflow zip")
HEAD = "pretraining"


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m benchmarks.loading", description=__doc__)
    p.add_argument("--repeats", type=int, default=7)
    p.add_argument("--layers", type=int, default=12, help="fewer for a trial")
    p.add_argument("--name", default="loading", help="of the record")
    p.add_argument("--child", nargs=3, metavar=("WHO", "LAYOUT", "PATH"), help=argparse.SUPPRESS)
    return p


def main() -> None:
    arguments = parser().parse_args()
    if arguments.child:
        child(*arguments.child)
        return
    content = record.surroundings()
    with tempfile.TemporaryDirectory() as folder:
        size = write_files(Path(folder), arguments.layers)
        content |= {"parameters_bytes": size, "layouts": {}}
        for layout in LAYOUTS:
            path = path_of(Path(folder), layout)
            turns: dict[str, list[dict[str, float]]] = {"minitf": [], "bytes and building": []}
            if not layout.startswith("tensorflow"):  # the reference cannot read it any more
                turns["transformers"] = []
            for _ in range(arguments.repeats):
                for who, measured in turns.items():
                    measured.append(one(who, layout, path))
            content["layouts"][layout] = {who: summary(measured, size) for who, measured in turns.items()}
            print(layout, json.dumps(content["layouts"][layout], indent=1), flush=True)
    print(f"written: {record.write(arguments.name, content)}")


def path_of(folder: Path, layout: str) -> Path:
    """The path of a layout; several share one."""
    return folder / {"tensorflow, unverified": "tensorflow", "tensorflow zip": "tensorflow.zip"}.get(layout, layout)


def write_files(folder: Path, layers: int) -> int:
    """Write the same weights in every layout; return the size of the tensors in bytes."""
    import google_crc32c
    import torch
    import transformers

    from tests.support import google_layout, tensor_bundles  # the tests' writer, independent of minitf's reader

    tensor_bundles.crc32c = google_crc32c.value  # the tests' own is a loop in Python
    torch.manual_seed(0)
    transformers.utils.logging.disable_progress_bar()
    model = transformers.BertForPreTraining(transformers.BertConfig(num_hidden_layers=layers))
    model.save_pretrained(folder / "safetensors")
    for name, new in (("bin", True), ("legacy bin", False)):
        (folder / name).mkdir()
        model.config.save_pretrained(folder / name)
        tensors = {n: p.detach() for n, p in model.named_parameters()}
        torch.save(tensors, folder / name / "pytorch_model.bin", _use_new_zipfile_serialization=new)
    google_layout.write(folder / "tensorflow", model, slots=False)
    google_layout.zipped(folder / "tensorflow", folder / "tensorflow.zip", compression=zipfile.ZIP_DEFLATED)
    return sum(p.numel() * p.element_size() for p in model.parameters())


def one(who: str, layout: str, path: Path) -> dict[str, float]:
    """Load once in a new process; return the seconds and the growth of its private memory at its peak."""
    command = [sys.executable, "-m", "benchmarks.loading", "--child", who, layout, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=record.ROOT
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        before = peak = rss_anon(process.pid)
        process.stdin.write("go\n")
        process.stdin.flush()
        with ThreadPoolExecutor(1) as pool:
            line = pool.submit(process.stdout.readline)
            while not line.done():
                peak = max(peak, rss_anon(process.pid))
                time.sleep(0.001)
        measured: dict[str, float] = json.loads(line.result())
    return measured | {"peak": peak - before}


def rss_anon(pid: int) -> int:
    """The private memory of a process in bytes, without mapped files."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def child(who: str, layout: str, path: str) -> None:
    """Import everything, print "ready", wait for a line, work, and print the seconds."""
    import torch

    work = {"minitf": _minitf, "transformers": _reference, "bytes and building": _bytes_and_building}[who](
        layout, Path(path)
    )
    torch.ones(1000, 1000).sum()  # starts the threads
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.perf_counter()
    model = work()
    loaded = time.perf_counter() - start
    if model is not None:
        with torch.no_grad():
            for p in model.parameters():
                p.view(torch.uint8 if p.dim() else p.dtype)[..., ::4096].sum()  # one byte of every page
    print(json.dumps({"seconds": time.perf_counter() - start, "returned": loaded}), flush=True)


def _minitf(layout: str, path: Path) -> Callable[[], Any]:
    import minitf

    minitf.load  # noqa: B018 (accessing the name imports its module)
    return lambda: minitf.load(path, HEAD, verify=layout != "tensorflow, unverified")


def _reference(layout: str, path: Path) -> Callable[[], Any]:
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    cls = transformers.BertForPreTraining
    return lambda: cls.from_pretrained(path, use_safetensors=layout == "safetensors")


def _bytes_and_building(layout: str, path: Path) -> Callable[[], Any]:
    import torch

    from minitf.bert import Bert, BertConfig
    from minitf.datasets.file_kinds import parse_json_object

    folder = path.with_suffix("") if path.is_file() else path
    names = [name for name in ("config.json", "bert_config.json") if (folder / name).exists()]
    config, _ = BertConfig.from_dict(parse_json_object((folder / names[0]).read_bytes(), names[0]))

    def read() -> list[bytes]:
        if path.is_file():
            with zipfile.ZipFile(path) as archive:  # reading the bytes of a zip means decompressing them
                return [archive.read(name) for name in archive.namelist()]
        return [file.read_bytes() for file in folder.iterdir()]

    def work() -> None:
        contents = read()
        with torch.device("meta"):
            Bert(config, HEAD)
        del contents

    return work


def summary(turns: list[dict[str, float]], size: int) -> dict[str, float]:
    """The medians; the peak is a share of the tensors' size."""
    seconds = [turn["seconds"] for turn in turns]
    return {
        "seconds": round(statistics.median(seconds), 4),
        "fastest": round(min(seconds), 4),
        "returned": round(statistics.median(turn["returned"] for turn in turns), 4),
        "peak_share": round(max(turn["peak"] for turn in turns) / size, 3),
    }


if __name__ == "__main__":
    main()
