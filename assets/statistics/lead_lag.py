"""Lead-lag: which of two series leads, by how much, and whether that could be chance.

Here: the lead-lag method of docs/evidence.md as array functions, and its two table functions. The SQL models decide
which series there are, how their changes are scaled and which sessions they have. Throughout, nan means unknown, and a
positive lag k pairs x of a session with y of k sessions later: x leads.

The null distribution. One series is displaced against the other around the circle of their sessions. That keeps the
autocorrelation and the heavy tails of each series, and breaks only the tie between the two. A displacement counts if it
is far from *every* lag that is shown: with lags up to K and a guard of g, if it is at least K + g away from 0 in both
directions. Seen from any lag of -K..K it is then a shift of at least g. A single lag alone would allow more
displacements, but a shift of -K from lag K is lag 0, where series that move on the same day correlate, and a null that
contains it hides a lead. All lags of a pair share the same null.

The score. Calm and wild years are common to all markets, and a displacement breaks that tie, too. Products of two wild
days vary more than products of a wild day and a calm one, so plain correlations near lag 0 look rarer than they are.
The score is therefore the sum of products in units of its own standard deviation (White 1980),
|sum xy| / sqrt(sum x^2 y^2), as DiCiccio and Romano (2017) do for permutations. It makes correlations of many and of
few pairs comparable, and gives a single wild pair a score of 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import erfc, expm1, log1p, sqrt

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from assets.config.parameters import Parameter
from assets.statistics.false_discovery import benjamini_yekutieli
from assets.statistics.tables import typed_frame

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Scores that are this close count as equal: sums in another order differ in the last digits.
TIE = 1e-12
# Rounding leaves a mean square of up to this, of numbers whose mean square is 1.
NEGLIGIBLE = 1e-12
_LAG_COLUMNS = {
    "signal_id": "string",
    "target_id": "string",
    "aggregation": "int64",
    "lag": "int64",
    "correlation": "float64",
    "n": "int64",
    "n_eff": "float64",
    "p_value": "float64",
    "is_best": "bool",
    "best_p_value": "float64",
    "share_by_chance": "float64",
}


# --- arrays -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Displacements:
    """Two series at each displacement (J,): Pearson's correlation of the pairs, their number, and the score."""

    correlation: Floats
    n: Ints
    score: Floats


@dataclass(frozen=True)
class LagScan:
    """The results of all lags of a pair (2K + 1,), and in `null` the scores of the displacements that count (|G|,)."""

    lags: Ints
    correlation: Floats
    n: Ints
    n_eff: Floats
    p_value: Floats
    score: Floats
    null: Floats


@dataclass(frozen=True)
class BestLag:
    """The strongest of several neighbouring lags. p_value and share_by_chance are None if the null is too small."""

    lag: int
    correlation: float
    n: int
    n_eff: float
    p_value: float | None
    share_by_chance: float | None


def displacements(x: Floats, y: Floats, size: int) -> Displacements:
    """x_t against y_(t+j mod size) for j = 0..size-1, where both are known.

    Each statistic is made of sums of products over pairs, and such a sum for all displacements is the inverse Fourier
    transform of a product of transforms.

    Args:
        x: One series (N,).
        y: The other series, on the same sessions (N,).
        size: Number of displacements. With N the series go around the circle; with N + K, displacements of up to K in
            either direction do not.

    Returns:
        The statistics of each displacement (size,); nan if they are unknown.
    """
    known_x, known_y = ~np.isnan(x), ~np.isnan(y)
    x, y = _standardised(x), _standardised(y)
    of_x = np.conj(np.fft.rfft(np.stack([known_x, x, x**2]), size))
    of_y = np.fft.rfft(np.stack([known_y, y, y**2]), size)
    powers = ((0, 0), (1, 0), (0, 1), (2, 0), (0, 2), (1, 1), (2, 2))
    n, sx, sy, sxx, syy, sxy, sxxyy = np.fft.irfft(np.stack([of_x[i] * of_y[j] for i, j in powers]), size)
    n = np.rint(n)
    pairs = np.maximum(n, 1)
    var_x, var_y = sxx / pairs - (sx / pairs) ** 2, syy / pairs - (sy / pairs) ** 2
    varies = (n > 1) & (var_x > NEGLIGIBLE) & (var_y > NEGLIGIBLE)
    r = (sxy / pairs - sx * sy / pairs**2) / np.sqrt(np.where(varies, var_x * var_y, 1))
    swings = varies & (sxxyy / pairs > NEGLIGIBLE)
    score = np.abs(sxy) / np.sqrt(np.where(swings, sxxyy, 1))
    return Displacements(
        np.where(varies, np.clip(r, -1, 1), np.nan), n.astype(np.int64), np.where(swings, score, np.nan)
    )


def autocorrelation(x: Floats) -> float:
    """The correlation of neighbours in x (N,); unknown with fewer than three pairs: two always lie on a line."""
    standard, known = _standardised(x), ~np.isnan(x)
    pairs = known[:-1] & known[1:]
    earlier, later = standard[:-1][pairs], standard[1:][pairs]
    if len(earlier) < 3 or min(earlier.var(), later.var()) <= NEGLIGIBLE:
        return float("nan")
    return float(np.corrcoef(earlier, later)[0, 1])


def scan(x: Floats, y: Floats, reach: int, guard: int, *, least_pairs: int, least_shifts: int) -> LagScan:
    """The correlation of x and y at the lags -K..K, and how often far-away displacements score as high.

    With z the score and G the displacements j with K + guard <= j <= N - K - guard,

        p_k = (1 + #{j in G: z_j >= z_k - 1e-12}) / (1 + |G|)
        n_eff = n (1 - a_x a_y) / (1 + a_x a_y)

    where a are the autocorrelations of neighbours (Bartlett 1935). n_eff is the effective number of independent pairs:
    above n if the autocorrelations have opposite signs, and unknown if their product is -1.

    Args:
        x: One series (N,).
        y: The other series, on the same sessions (N,).
        reach: K, the largest lag in either direction.
        guard: How far a displacement must be away from every lag.
        least_pairs: A correlation of fewer pairs is unknown.
        least_shifts: p is unknown if G has fewer displacements.

    Returns:
        The statistics of each lag, from -K to K (2K + 1,), and the scores of the displacements in G.
    """
    lags = np.arange(-reach, reach + 1)
    here = displacements(x, y, len(x) + reach)
    enough = here.n[lags] >= least_pairs
    r, score = (np.where(enough, values[lags], np.nan) for values in (here.correlation, here.score))
    product = autocorrelation(x) * autocorrelation(y)
    independent = (1 - product) / (1 + product) if product > -1 else np.nan
    circle = displacements(x, y, len(x))
    away = slice(reach + guard, len(x) - reach - guard + 1)
    null = np.where(circle.n >= least_pairs, circle.score, np.nan)[away]
    null = null[~np.isnan(null)]
    as_far = len(null) - np.searchsorted(np.sort(null), score - TIE)
    has_p = ~np.isnan(score) & (len(null) >= least_shifts)
    return LagScan(
        lags=lags,
        correlation=r,
        n=here.n[lags],
        n_eff=np.where(np.isnan(r), np.nan, here.n[lags] * independent),
        p_value=np.where(has_p, (1 + as_far) / (1 + len(null)), np.nan),
        score=score,
        null=null,
    )


def best_lag(scanned: LagScan, first: int, last: int) -> BestLag | None:
    """The strongest of the lags first..last, judged by the distribution of the maximum of as many scores.

    With L lags, z the highest of their scores, and s^2 the mean square of the null's scores,

        p = 1 - (1 - p_1)^L,  p_1 = 2 (1 - Phi(z / s))

    (Sidak 1967). It is exact for independent lags and conservative for neighbouring lags that resemble each other.
    Counting is not as good: without any lead, the highest of the L lags and the |G| displacements together is a lag
    with probability L / (L + |G|), so no honest count gets below that, but (1 + #) / (1 + #runs) over all runs of L
    neighbouring displacements does. `share_by_chance` shows that count: the share of the runs that are as strong.

    Args:
        scanned: The lags of a pair.
        first: The first lag to look at.
        last: The last lag to look at.

    Returns:
        The strongest lag; None if no lag has a correlation.
    """
    chosen = np.flatnonzero((scanned.lags >= first) & (scanned.lags <= last) & ~np.isnan(scanned.score))
    if len(chosen) == 0:
        return None
    strongest = chosen[np.argmax(scanned.score[chosen])]
    z, null, count = scanned.score[strongest], scanned.null, len(chosen)
    has_p = not np.isnan(scanned.p_value[strongest])
    share = None
    if has_p and len(null) >= count:
        runs = np.lib.stride_tricks.sliding_window_view(null, count).max(axis=1)
        share = float(np.mean(runs >= z - TIE))
    return BestLag(
        lag=int(scanned.lags[strongest]),
        correlation=float(scanned.correlation[strongest]),
        n=int(scanned.n[strongest]),
        n_eff=float(scanned.n_eff[strongest]),
        p_value=_p_of_maximum(float(z / np.sqrt(np.mean(null**2))), count) if has_p else None,
        share_by_chance=share,
    )


def blocks(x: Floats, size: int) -> Floats:
    """Sums of `size` neighbours from the first on (N // size,), unknown if one of them is; the rest is left out."""
    whole = len(x) // size * size
    sums: Floats = x[:whole].reshape(-1, size).sum(axis=1)
    return sums


def _p_of_maximum(z: float, count: int) -> float:
    """The probability that the largest of `count` independent normal numbers is at least z in absolute value."""
    one = erfc(z / sqrt(2))
    return 1.0 if one >= 1 else -expm1(count * log1p(-one))


def _standardised(x: Floats) -> Floats:
    """x minus its mean, in standard deviations (N,); 0 if unknown, and 0 everywhere if x does not vary."""
    known = ~np.isnan(x)
    if not known.any():
        return np.zeros(len(x))
    centred = np.where(known, x - x[known].mean(), 0)
    deviation = centred[known].std()
    # Equal numbers can differ from their mean by rounding.
    return centred / deviation if deviation > NEGLIGIBLE * np.abs(x[known]).max() else np.zeros(len(x))


# --- tables -----------------------------------------------------------------------------------------------------------


def every_lag(
    parameters: Mapping[str, Parameter], changes: duckdb.DuckDBPyRelation, series: duckdb.DuckDBPyRelation
) -> pd.DataFrame:
    """Every lag of every pair and aggregation, with the best lag of either direction marked.

    Positive lags are one direction, negative lags the other. A direction without any correlation has no best lag.

    Args:
        parameters: The parameters of the project.
        changes: series_id, session_number, scaled_change; one row per session with a known change.
        series: series_id, side (signal or target); every signal is paired with every target.

    Returns:
        signal_id, target_id, aggregation, lag, correlation, n, n_eff, p_value, is_best, and for the best lags
        best_p_value and share_by_chance as in `BestLag`.
    """
    longest = int(parameters["lead_reach"].value)
    frames = []
    for signal, target, aggregation, scanned in _scans(parameters, changes, series):
        frame = pd.DataFrame(
            {
                "signal_id": signal,
                "target_id": target,
                "aggregation": aggregation,
                "lag": scanned.lags,
                "correlation": scanned.correlation,
                "n": scanned.n,
                "n_eff": scanned.n_eff,
                "p_value": scanned.p_value,
                "is_best": False,
                "best_p_value": np.nan,
                "share_by_chance": np.nan,
            }
        )
        last = longest // aggregation
        for found in (best_lag(scanned, 1, last), best_lag(scanned, -last, -1)):
            if found:
                marked = ["is_best", "best_p_value", "share_by_chance"]
                frame.loc[frame["lag"] == found.lag, marked] = (True, found.p_value, found.share_by_chance)
        frames.append(frame)
    frame = pd.concat(frames) if frames else typed_frame([], _LAG_COLUMNS)
    return frame.astype(_LAG_COLUMNS).reset_index(drop=True)


def best_leads(_: Mapping[str, Parameter], lags: duckdb.DuckDBPyRelation) -> pd.DataFrame:
    """The best lag of each direction of every pair and aggregation, with the leading series as signal_id.

    `lags` is intermediate.lead_lag_nulls, the result of `every_lag`. Columns: signal_id, target_id, aggregation,
    best_lag, correlation, n, n_eff, p_value, share_by_chance, q_value. All rows are one family, because every pair,
    both directions and all aggregations were looked at.
    """
    frame: pd.DataFrame = (
        lags.filter("is_best")
        .project(
            "if(lag > 0, signal_id, target_id) as signal_id, if(lag > 0, target_id, signal_id) as target_id, "
            "aggregation, abs(lag) as best_lag, correlation, n, n_eff, best_p_value as p_value, share_by_chance"
        )
        .df()
    )
    return frame.assign(q_value=benjamini_yekutieli(frame["p_value"]))


def _scans(
    parameters: Mapping[str, Parameter], changes: duckdb.DuckDBPyRelation, series: duckdb.DuckDBPyRelation
) -> Iterator[tuple[str, str, int, LagScan]]:
    """Signal, target, aggregation and the scan of their lags, for each pair with at least one block in common."""
    number = {name: int(parameters[name].value) for name in parameters if name.startswith("lag_")}
    table = changes.project("series_id, session_number, scaled_change").df()
    wide = table.pivot(index="session_number", columns="series_id", values="scaled_change").astype("float64")
    sides = series.order("side, series_id").project("series_id, side").df()
    signals, targets = (
        [str(id_) for id_ in sides.loc[sides["side"] == side, "series_id"] if id_ in wide.columns]
        for side in ("signal", "target")
    )
    for signal in signals:
        for target in targets:
            common = wide[[signal, target]].dropna().index
            if signal == target or common.empty:
                continue
            # Sessions that neither series knows are gaps, too.
            sessions = range(common.min(), common.max() + 1)
            x, y = wide[[signal, target]].reindex(sessions).to_numpy().T
            for size in (1, number["lag_week"], number["lag_month"]):
                if len(sessions) < size:
                    continue
                yield (
                    signal,
                    target,
                    size,
                    scan(
                        blocks(x, size),
                        blocks(y, size),
                        number["lag_reach"] // size,
                        # The guard in blocks, rounded up, and one block more.
                        -(-number["lag_guard"] // size) + 1,
                        least_pairs=number["lag_least_pairs"],
                        least_shifts=number["lag_least_shifts"],
                    ),
                )
