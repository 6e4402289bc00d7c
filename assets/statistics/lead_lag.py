"""Which of two series leads, and by how much: correlations at every lag, against every far-away displacement.

Here: the lead-lag of docs/evidence.md as array functions, and the two functions that make tables of them. What the
series are, how their changes are scaled and which sessions they have is the business of the SQL models. Throughout,
nan means unknown, and a positive lag k sets x of a session against y of k sessions later: x leads.

The null distribution. One series is displaced against the other around the circle of their sessions, which keeps what
each is in itself (autocorrelation, heavy tails) and breaks only what ties one to the other. The displacements that
count are those that are far from *every* lag that is looked at: with lags up to K and a guard of g, those at least
K + g from 0 in both directions. Seen from any lag of -K..K such a displacement is a shift of at least g. For one lag
alone more would do, but a shift of -126 from the lag 126 is lag 0, where what moves together on the same day stands:
a null with that in it hides a lead. All lags of a pair share this null.

The score. Calm and wild years are common to all markets, and what both have is broken by a displacement too: products
of two wild days swing wider than those of a wild day and a calm one, so that plain correlations near lag 0 look rarer
than they are. What is compared is therefore the sum of products in its own standard deviations, those of White (1980),
|sum xy| / sqrt(sum x^2 y^2), as DiCiccio and Romano (2017) do for permutations. It also makes one out of correlations
of many pairs and of few, and leaves a single wild pair with a score of 1.
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

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Two scores that are closer than this are the same: sums of other orders differ in the last digits.
TIE = 1e-12
# A mean square below this, of numbers whose mean square is 1, is what rounding leaves.
NOTHING = 1e-12


# --- arrays -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Displaced:
    """Two series at each displacement: Pearson's r of the pairs, how many they are, the score."""

    correlation: Floats
    n: Ints
    score: Floats


@dataclass(frozen=True)
class Lags:
    """What the lags of a pair say, one entry per lag; `null` has the scores of the displacements that count."""

    lags: Ints
    correlation: Floats
    n: Ints
    n_eff: Floats
    p_value: Floats
    score: Floats
    null: Floats


@dataclass(frozen=True)
class Best:
    """The strongest of several neighbouring lags; p and share are None where the null is too small."""

    lag: int
    correlation: float
    n: int
    n_eff: float
    p_value: float | None
    share_by_chance: float | None


def displaced(x: Floats, y: Floats, size: int) -> Displaced:
    """x_t against y_(t+j mod size) for j = 0..size-1, where both are known.

    x, y: (N,), the same sessions. With size = N the series go around the circle, with size = N + K displacements up to
    K in both directions do not. Each sum over pairs is one of products, and that for all displacements the inverse
    Fourier transform of a product of transforms.
    """
    known_x, known_y = ~np.isnan(x), ~np.isnan(y)
    x, y = _standard(x), _standard(y)
    of_x = np.conj(np.fft.rfft(np.stack([known_x, x, x**2]), size))
    of_y = np.fft.rfft(np.stack([known_y, y, y**2]), size)
    powers = ((0, 0), (1, 0), (0, 1), (2, 0), (0, 2), (1, 1), (2, 2))
    n, sx, sy, sxx, syy, sxy, sxxyy = np.fft.irfft(np.stack([of_x[i] * of_y[j] for i, j in powers]), size)
    n = np.rint(n)
    pairs = np.maximum(n, 1)
    var_x, var_y = sxx / pairs - (sx / pairs) ** 2, syy / pairs - (sy / pairs) ** 2
    varies = (n > 1) & (var_x > NOTHING) & (var_y > NOTHING)
    r = (sxy / pairs - sx * sy / pairs**2) / np.sqrt(np.where(varies, var_x * var_y, 1))
    swings = varies & (sxxyy / pairs > NOTHING)
    score = np.abs(sxy) / np.sqrt(np.where(swings, sxxyy, 1))
    return Displaced(np.where(varies, np.clip(r, -1, 1), np.nan), n.astype(np.int64), np.where(swings, score, np.nan))


def autocorrelation(x: Floats) -> float:
    """Correlation of neighbours; unknown below three pairs of them, since two always lie on a line."""
    standard, known = _standard(x), ~np.isnan(x)
    pairs = known[:-1] & known[1:]
    earlier, later = standard[:-1][pairs], standard[1:][pairs]
    if len(earlier) < 3 or min(earlier.var(), later.var()) <= NOTHING:
        return float("nan")
    return float(np.corrcoef(earlier, later)[0, 1])


def scan(x: Floats, y: Floats, reach: int, guard: int, *, least_pairs: int, least_shifts: int) -> Lags:
    """The correlation of x and y at the lags -K..K, K being `reach`, and how rare one as strong is far away from them.

    x, y: (N,), the same sessions. With z the score and G the displacements j with K + guard <= j <= N - K - guard,

        p_k = (1 + #{j in G: z_j >= z_k - 1e-12}) / (1 + |G|)
        n_eff = n (1 - a_x a_y) / (1 + a_x a_y)

    a are the autocorrelations of neighbours (Bartlett 1935): n_eff is the number of independent pairs that would swing
    as much; above n where neighbours of one series repel each other, and unknown where they do without exception. A
    correlation of fewer than `least_pairs` pairs is unknown, and so is p where G has fewer than `least_shifts`.
    """
    lags = np.arange(-reach, reach + 1)
    here = displaced(x, y, len(x) + reach)
    enough = here.n[lags] >= least_pairs
    r, score = (np.where(enough, values[lags], np.nan) for values in (here.correlation, here.score))
    product = autocorrelation(x) * autocorrelation(y)
    independent = (1 - product) / (1 + product) if product > -1 else np.nan
    circle = displaced(x, y, len(x))
    away = slice(reach + guard, len(x) - reach - guard + 1)
    null = np.where(circle.n >= least_pairs, circle.score, np.nan)[away]
    null = null[~np.isnan(null)]
    as_far = len(null) - np.searchsorted(np.sort(null), score - TIE)
    has_p = ~np.isnan(score) & (len(null) >= least_shifts)
    return Lags(
        lags=lags,
        correlation=r,
        n=here.n[lags],
        n_eff=np.where(np.isnan(r), np.nan, here.n[lags] * independent),
        p_value=np.where(has_p, (1 + as_far) / (1 + len(null)), np.nan),
        score=score,
        null=null,
    )


def best(scanned: Lags, first: int, last: int) -> Best | None:
    """The strongest of the lags first..last, against the strongest of as many lags where there is nothing.

    With L lags, z the highest of their scores, and s^2 the mean square of the null's scores,

        p = 1 - (1 - p_1)^L,  p_1 = 2 (1 - Phi(z / s))

    which is the distribution of the maximum of L scores of the null; neighbouring lags that resemble each other make
    it cautious. Counting says less: of the L lags and the |G| displacements together the highest is a lag with a chance
    of L / (L + |G|), so that no count gets honestly below that, while (1 + #) / (1 + #runs), for runs of L neighbours
    that slide by one, would. `share_by_chance` is that count: the share of those runs that are as strong.
    None where no lag has a correlation.
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
    return Best(
        lag=int(scanned.lags[strongest]),
        correlation=float(scanned.correlation[strongest]),
        n=int(scanned.n[strongest]),
        n_eff=float(scanned.n_eff[strongest]),
        p_value=_of_maximum(float(z / np.sqrt(np.mean(null**2))), count) if has_p else None,
        share_by_chance=share,
    )


def blocks(x: Floats, size: int) -> Floats:
    """Sums of `size` neighbours from the first on (N // size,); unknown where one of them is. A last part is left."""
    whole = len(x) // size * size
    sums: Floats = x[:whole].reshape(-1, size).sum(axis=1)
    return sums


def _of_maximum(z: float, count: int) -> float:
    """Chance that the highest of so many absolute normal numbers is at least z."""
    one = erfc(z / sqrt(2))
    return 1.0 if one >= 1 else -expm1(count * log1p(-one))


def _standard(x: Floats) -> Floats:
    """x less its mean, in standard deviations; 0 where unknown, and everywhere where x does not vary."""
    known = ~np.isnan(x)
    if not known.any():
        return np.zeros(len(x))
    centred = np.where(known, x - x[known].mean(), 0)
    deviation = centred[known].std()
    # Numbers that are all the same differ from their mean by rounding.
    return centred / deviation if deviation > NOTHING * np.abs(x[known]).max() else np.zeros(len(x))


# --- tables -----------------------------------------------------------------------------------------------------------


def every_lag(
    parameters: Mapping[str, Parameter], changes: duckdb.DuckDBPyRelation, series: duckdb.DuckDBPyRelation
) -> pd.DataFrame:
    """Every lag of every pair and aggregation, the best of either direction marked.

    changes: series_id, session_number, scaled_change, one row per session on which the change is known.
    series: series_id, side (signal or target); every signal is paired with every target.
    Columns: signal_id, target_id, aggregation, lag, correlation, n, n_eff, p_value, is_best; where it is, best_p_value
    and share_by_chance are those of `best`. Positive lags are one direction, negative ones the other; one without any
    correlation has no best.
    """
    looked_at = int(parameters["lead_reach"].value)
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
        last = looked_at // aggregation
        for found in (best(scanned, 1, last), best(scanned, -last, -1)):
            if found:
                marked = ["is_best", "best_p_value", "share_by_chance"]
                frame.loc[frame["lag"] == found.lag, marked] = (True, found.p_value, found.share_by_chance)
        frames.append(frame)
    types = {
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
    # Empty columns, too, must have a type.
    frame = pd.concat(frames) if frames else pd.DataFrame(columns=list(types))
    return frame.astype(types).reset_index(drop=True)


def best_leads(_: Mapping[str, Parameter], lags: duckdb.DuckDBPyRelation) -> pd.DataFrame:
    """The best lag of each direction of every pair and aggregation, the leading series as signal_id.

    lags: intermediate.lead_lag_nulls, the answer of `every_lag`. Columns: signal_id, target_id, aggregation, best_lag,
    correlation, n, n_eff, p_value, share_by_chance, q_value. All rows are one family: every pair, both directions and
    all aggregations were looked at.
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
) -> Iterator[tuple[str, str, int, Lags]]:
    """Signal, target, aggregation and what their lags say, for each pair that has at least one block in common."""
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
            # A session that neither of them knows is a gap as well.
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
                        # So many sessions and one block, in blocks.
                        -(-number["lag_guard"] // size) + 1,
                        least_pairs=number["lag_least_pairs"],
                        least_shifts=number["lag_least_shifts"],
                    ),
                )
