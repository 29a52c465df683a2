"""Several runs that differ in their seed alone: what to expect of one more, and how bad it can get."""

import dataclasses
import statistics
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Summary:
    """What the runs came to, measured on the test set if there is one, else on the validation set."""

    metric: str
    table: str  # that it was measured on
    values: dict[str, float]  # by the run's name
    failed: tuple[str, ...]  # the runs that did not learn
    diverged: dict[str, str] = dataclasses.field(default_factory=dict)  # those that came to no end, and why

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values.values())

    @property
    def sd(self) -> float:
        """Of a single run, estimated from these; 0 for one."""
        return statistics.stdev(self.values.values()) if len(self.values) > 1 else 0.0

    def to_dict(self) -> dict[str, Any]:
        more = {"mean": self.mean, "sd": self.sd, "lowest": min(self.values.values())}
        return dataclasses.asdict(self) | more | {"highest": max(self.values.values())}

    def __str__(self) -> str:
        values = self.values.values()
        lines = [f"{name}: {self.table} {self.metric} {value:.4f}" for name, value in self.values.items()]
        lines.append(
            f"{len(values)} runs: {self.metric} {self.mean:.4f} ± {self.sd:.4f} (mean ± sd),"
            f" lowest {min(values):.4f}, highest {max(values):.4f}"
        )
        for name, why in self.diverged.items():
            lines.append(f"{name} diverged, and is counted nowhere: {why}")
        if self.failed:
            lines.append(
                f"failed to learn (no better than a guess): {', '.join(self.failed)}: try a lower --lr, a longer"
                " --warmup or more --epochs (Mosbach et al. 2021)"
            )
        return "\n".join(lines)


def summary(
    reports: Mapping[str, Mapping[str, Any]], metric: str, diverged: Mapping[str, str] | None = None
) -> Summary:
    """From each run's report.json by its name, and from what is said of those that have none."""
    table = "test" if all("test" in report for report in reports.values()) else "valid"
    values = {name: float(report[table][metric]) for name, report in reports.items()}
    failed = tuple(name for name, report in reports.items() if not report["learned"])
    return Summary(metric, table, values, failed, dict(diverged or {}))
