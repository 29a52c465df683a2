"""axe-core: what of a page people with a disability cannot perceive or use. The script is in axe-playwright-python."""

from importlib import resources
from typing import Any

IMPACTS = ("serious", "critical")


def violations(page: Any, impacts: tuple[str, ...] = IMPACTS) -> list[str]:
    """Check a page as it is now: "rule (impact): element, element, …" for each violation of these impacts.

    Raises RuntimeError if axe-playwright-python is not installed.
    """
    try:
        script = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    except ModuleNotFoundError:
        raise RuntimeError(
            'the tests with axe-core need axe-playwright-python: pip install -c constraints.txt -e ".[browser]"'
        ) from None
    page.evaluate(script)  # from outside, so that the page's policy does not apply
    found = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {', '.join(' '.join(map(str, node['target'])) for node in rule['nodes'])}"
        for rule in found
        if rule["impact"] in impacts
    ]
