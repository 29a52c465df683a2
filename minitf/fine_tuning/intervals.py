"""The 95 % confidence interval of a proportion. Imports no torch."""

import math

Z = 1.959963984540054  # of the normal distribution: 95 % lie between −Z and Z


def wilson(share: float, n: int) -> tuple[float, float]:
    """Return the Wilson interval (1927) for a proportion of `n` examples."""
    centre, divisor = share + Z * Z / (2 * n), 1 + Z * Z / n
    half = Z * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    return max(0.0, (centre - half) / divisor), min(1.0, (centre + half) / divisor)
