"""When a run was made, how long it took, on what machine; its command, data and settings."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from minitf.fine_tuning.pages.markup import duration, escape, file_name, isolated, number, short, table

BUILT_IN = "built-in "  # before the name of built-in data, in its path
VERSIONS = {"minitf": "minitf", "python": "Python", "torch": "PyTorch"}


def title(content: Mapping[str, Any]) -> str:
    """Return what the page is about: the table and the model."""
    if "epochs" not in content:
        model = content.get("model")
        evaluated = f"{_name(content['data']['data']['path'])}: evaluation of {short(model)}"
        return str(content["title"]) if model is None else evaluated
    model, trained = str(content["arguments"]["model"]), _name(content["data"]["train"]["path"])
    if content["arguments"].get("width"):
        return f"{trained}: a new model"
    return f"{trained}: fine-tuned {short(Path(model).name or model)}"


def _name(path: str) -> str:
    """Return the name of a table without its folder; of built-in data, the name of the data."""
    built_in = path.removeprefix(BUILT_IN).rpartition("/")[0] if path.startswith(BUILT_IN) else ""
    return short(built_in or Path(path).name)


def facts(content: Mapping[str, Any]) -> str:
    """List date, time and machine."""
    found = []
    if "finished" in content:
        found.append(("Finished", moment(content["finished"])))
    if "seconds" in content:
        found.append(("Training time" if "epochs" in content else "Time", duration(float(content["seconds"]))))
    if "machine" in content:
        found.append(("Machine", isolated(machine(content["machine"]))))
    versions = (f"{VERSIONS.get(name, name)} {version}" for name, version in content["versions"].items())
    found.append(("Software", isolated(", ".join(versions))))
    return f'<dl class="facts">{"".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in found)}</dl>'


def moment(text: str) -> str:
    """Format a date as an element: `2026-11-28 22:47 UTC`."""
    date = datetime.fromisoformat(text).astimezone(UTC)
    return f'<time datetime="{date.isoformat()}">{date:%Y-%m-%d %H:%M} UTC</time>'


def machine(found: Mapping[str, Any]) -> str:
    """Describe a machine in one line."""
    threads = f"{found['threads']} thread{'s' * (str(found['threads']) != '1')}"
    cores = f"{found['cores']} core{'s' * (str(found['cores']) != '1')}"
    device = "" if found["device"] == "cpu" else f"{found['device']}; "
    return f"{device}{found['cpu']}, {cores}, {threads}, {found['system']}"


def origin(content: Mapping[str, Any]) -> str:
    """Format the command, the data and the settings."""
    parts = [f'<pre class="command">{escape(content["command"])}</pre>'] if content.get("command") else []
    rows = [
        [escape(name), file_name(d["path"]), number(d["rows"]), escape(d["sha256"])]
        for name, d in content["data"].items()
    ]
    parts.append(table("Data", ["data", "file", "rows", "SHA-256"], rows, texts=(0, 1, 3), is_html=True))
    if "arguments" in content:
        settings = [[name, setting(value)] for name, value in sorted(content["arguments"].items())]
        shown = table("All settings", ["setting", "value"], settings, texts=(0, 1))
        parts.append(f"<details><summary>All settings</summary>{shown}</details>")
    return "".join(parts)


def setting(value: Any) -> str:
    """Format the value of a setting."""
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
