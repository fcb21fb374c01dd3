"""`fit_batches`: the critical batch from runs at several batch sizes, and the loss along it."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from scaling_cli import laws
from scaling_cli.artefacts.batch_fit import FEWEST_LEFT_OUT, BatchFit, BatchLevel, BatchTrajectory
from scaling_cli.batch_fits.levels import FEWEST_BATCHES, BatchRun, Level, levels, smoothed
from scaling_cli.runs.points import Points
from scaling_cli.search.optimum import make_problem, optimise, refuse
from scaling_cli.vocabulary.errors import FitError
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.vocabulary.outcomes import Check, LeftOut, Status

STEEPNESS = (0.5, 2.0, 5.0, 10.0)  # starts of 1/alpha_B
SAME_SIZE = 1e-3
TOLERANCE = 1e-12
ABSENT = 1e-4  # of the lowest loss: a floor below is at its bound
MOST_EVALUATIONS = 400
ENDLESS = 8.0  # in ln B beyond the batches: a critical batch that far off is at zero or infinity
NOISY = 0.1  # root mean square of ln steps about a hyperbola
FEW = 5
MISSED = 0.5  # of the levels


@dataclass(frozen=True)
class Group:
    """The runs of one size, and the levels that they reach."""

    N: float
    runs: tuple[BatchRun, ...]
    levels: tuple[Level, ...]


@dataclass(frozen=True)
class Measured:
    """Smoothed points of curves, each (n,): steps, tokens per step, parameters, nats/token."""

    S: np.ndarray
    B: np.ndarray
    N: np.ndarray
    L: np.ndarray


@dataclass(frozen=True)
class Joint:
    """Where the search ended: the sum of Huber of the residuals of ln loss, and these."""

    trajectory: BatchTrajectory
    value: float
    residuals: np.ndarray
    status: Status


def fit_batches(
    runs: Sequence[BatchRun], *, left_out: Sequence[LeftOut] = (), delta: float = 1e-3
) -> BatchFit:
    """Fit the critical batch and the loss to runs at several batch sizes.

    At each of ten loss levels S = S_min (1 + B_crit/B) holds over the batches; all levels together,
    S_min of each free, give B_crit = B_star / L^(1/alpha_B). Steps become S_min by it, and the loss
    is fitted in them: floor + (Sc/S_min)^alpha_S for one size, (Nc/N)^alpha_N in place of the floor
    for several. From there both laws are fitted at once to the loss of every smoothed point, solved
    for from step and batch. Every batch is left out in turn.

    Parameters
    ----------
    runs : sequence of BatchRun
        At a constant learning rate, best tuned for each batch: of several runs of a batch the
        fastest to a level counts.
    left_out : sequence of LeftOut
        Runs that were not used, for the record.
    delta : float
        Corner of the Huber loss of the residuals of ln loss.

    Raises
    ------
    FitError
        If there are fewer than three batches of one size, no loss that they all reach, a critical
        batch that does not grow as the loss falls, or no fit of the loss.
    """
    groups = _groups(runs)
    read = [g for g in groups if g.levels]
    if not read:
        _refuse(groups)
    joint, points, names = _fit(groups, delta)
    batches = sorted({run.B for group in read for run in group.runs})
    each = (_without(groups, B, delta) for B in batches if len(batches) > FEWEST_BATCHES)
    replicates = [r for r in each if r is not None]
    reached = [_level(g, level) for g in read for level in g.levels]
    return BatchFit(
        trajectory=joint.trajectory,
        replicates=replicates,
        levels=reached,
        n_points=len(points.L),
        misfit=float(np.mean(np.abs(np.expm1(joint.residuals)))),
        status=joint.status,
        objective=Objective(delta=delta),
        value=joint.value,
        checks=checks(runs, reached, joint.trajectory, replicates) + _floor(joint),
        left_out=left_out,
        data=_data(runs, points, names),
    )


def hyperbola(B: np.ndarray, S: np.ndarray) -> tuple[float, float, float]:
    """Return (B_crit, S_min, root mean square of ln S) of S = S_min (1 + B_crit/B).

    Least squares of ln S over ln B_crit; S_min is then a mean. Where the batches lie all above the
    critical one, or all below, the best is at an end: B_crit is 0 or infinite.
    """
    x = np.log(S)

    def off(log_critical: np.ndarray) -> np.ndarray:
        rest = x - np.log1p(np.exp(log_critical)[:, None] / B)
        return rest - rest.mean(axis=1, keepdims=True)

    first, last = np.log(B.min()) - ENDLESS, np.log(B.max()) + ENDLESS
    at, width = (first + last) / 2, (last - first) / 2
    while width > TOLERANCE * max(1.0, abs(at)):
        grid = np.linspace(max(first, at - width), min(last, at + width), 33)
        at = float(grid[np.argmin(np.sum(off(grid) ** 2, axis=1))])
        width /= 8
    rms = float(np.sqrt(np.mean(off(np.array([at])) ** 2)))
    if at > last - 0.1:
        return np.inf, 0.0, rms
    if at < first + 0.1:
        return 0.0, float(np.exp(x.mean())), rms
    critical = float(np.exp(at))
    return critical, float(np.exp(np.mean(x - np.log1p(critical / B)))), rms


def critical_law(reached: Sequence[Level]) -> tuple[float, float]:
    """Return (B_star, alpha_B) of all levels together, S_min of every level free.

    Raises
    ------
    FitError
        If the critical batch does not grow as the loss falls.
    """
    from scipy.optimize import least_squares

    losses = np.log([level.loss for level in reached])
    middle = float(np.mean(losses))
    owner = np.repeat(np.arange(len(reached)), [len(level.B) for level in reached])
    B = np.concatenate([level.B for level in reached])
    x = np.log(np.concatenate([level.S for level in reached]))

    def residuals(p: np.ndarray) -> np.ndarray:
        critical = np.exp(p[0] - p[1] * (losses[owner] - middle))
        rest = x - np.log1p(critical / B)
        return rest - (np.bincount(owner, rest) / np.bincount(owner))[owner]

    begin = [[np.log(np.median(B)), steep] for steep in STEEPNESS]
    ended = [least_squares(residuals, u, xtol=TOLERANCE, ftol=TOLERANCE) for u in begin]
    log_critical, steep = min(ended, key=lambda end: float(end.cost)).x.tolist()
    if not steep > 0:
        raise FitError(
            "the critical batch does not grow as the loss falls in these runs (it goes as "
            f"L^{-steep:.3g}).",
            hint="Runs at more batch sizes, with the learning rate tuned at each, or over a wider "
            "range of losses, may tell.",
        )
    return float(np.exp(log_critical + steep * middle)), 1 / steep


def _groups(runs: Sequence[BatchRun]) -> list[Group]:
    groups: list[list[BatchRun]] = []
    for run in sorted(runs, key=lambda r: (not np.isfinite(r.N), r.N)):
        last = groups[-1][0].N if groups else np.inf
        if abs(run.N / last - 1) < SAME_SIZE or (np.isnan(run.N) and np.isnan(last)):
            groups[-1].append(run)
        else:
            groups.append([run])
    return [
        Group(g[0].N, tuple(g), tuple(levels(g)) if len({r.B for r in g}) >= FEWEST_BATCHES else ())
        for g in groups
    ]


def _refuse(groups: Sequence[Group]) -> None:
    sizes = max(len({run.B for run in group.runs}) for group in groups)
    if sizes < FEWEST_BATCHES:
        raise FitError(
            f"runs of one size at {sizes} batch size{'' if sizes == 1 else 's'} do not tell the "
            f"critical batch; {FEWEST_BATCHES} are needed, better five.",
            hint="Train the same model at batches four times apart, to a common loss.",
        )
    raise FitError(
        "the runs of different batch sizes reach no loss in common.",
        hint="Train the larger batches for longer: at the same number of tokens they end higher.",
    )


def _fit(groups: Sequence[Group], delta: float) -> tuple[Joint, Measured, tuple[str, ...]]:
    """Return the fit of both laws, begun from one after the other."""
    B_star, alpha_B = critical_law([level for group in groups for level in group.levels])
    points, names = _points(groups)
    least = points.S / (1 + B_star * points.L ** (-1 / alpha_B) / points.B)
    one = len({group.N for group in groups}) == 1
    law = laws.get("power_law" if one else "kaplan_ns")
    inputs = {"x": least} if one else {"N": points.N, "S_min": least}
    staged = Points(inputs, points.L, names)
    problem = make_problem(staged, law, Objective(delta=delta))
    refuse(staged, problem)
    v = optimise(problem).law.values()
    if one:
        N = groups[0].N if np.isfinite(groups[0].N) else None
        v = {"Sc": v["A"] ** (1 / v["alpha"]), "alpha_S": v["alpha"], "floor": v["E"], "N": N}
    start = BatchTrajectory(B_star=B_star, alpha_B=alpha_B, **v)
    return _fit_jointly(start, points, delta), points, tuple(names)


def _points(groups: Sequence[Group]) -> tuple[Measured, list[str]]:
    """Return the smoothed points of the fastest runs, below the highest level, and their runs."""
    columns: list[np.ndarray] = []
    names: list[str] = []
    for group in groups:
        top = max((level.loss for level in group.levels), default=np.inf)
        for run in _fastest(group):
            x, y = smoothed(run)
            kept = y <= np.log(top) + TOLERANCE
            x, y = x[kept], y[kept]
            constant = np.full((2, len(x)), [[run.B], [run.N if np.isfinite(run.N) else 1.0]])
            columns.append(np.stack([np.exp(x), *constant, np.exp(y)]))
            names += [run.run] * len(x)
    return Measured(*np.concatenate(columns, axis=1)), names


def _fastest(group: Group) -> list[BatchRun]:
    """Return, of each batch, the run that is first at the lowest level it reaches."""
    first: dict[float, str] = {}
    for level in group.levels:
        first |= zip(level.B.tolist(), level.runs, strict=True)
    return [run for run in group.runs if first.get(run.B) == run.run or not group.levels]


def _without(groups: Sequence[Group], B: float, delta: float) -> BatchTrajectory | None:
    """Return the fit without a batch; None where what is left cannot be fitted."""
    fewer = _groups([run for group in groups for run in group.runs if run.B != B])
    try:
        return _fit(fewer, delta)[0].trajectory if any(g.levels for g in fewer) else None
    except FitError:
        return None


def alone(B: np.ndarray, S: np.ndarray) -> dict[str, float]:
    """Return what one level says: B_crit, S_min, E_min and misfit."""
    critical, least, misfit = hyperbola(B, S)
    tokens = critical * least if np.isfinite(critical) else float(np.mean(B * S))
    return {"B_crit": critical, "S_min": least, "E_min": tokens, "misfit": misfit}


def _level(group: Group, level: Level) -> BatchLevel:
    rows = zip(level.B.tolist(), level.S.tolist(), level.runs, strict=True)
    batches = [{"B": B, "S": S, "run": run} for B, S, run in rows]
    head = {"N": group.N if np.isfinite(group.N) else None, "loss": level.loss}
    return BatchLevel(**head, **alone(level.B, level.S), batches=batches, missed=level.missed)


def _floor(joint: Joint) -> list[Check]:
    status, floor = joint.status, joint.trajectory.floor
    if status is Status.CONVERGED or floor is None:
        return []
    open_floor = f"the floor, {floor:.4g}, is not determined by these runs ({status}): do not ask "
    open_floor += "for losses far below those measured; longer runs would tell."
    return [Check.warned("batch.floor", [open_floor], "")]


def _data(runs: Sequence[BatchRun], points: Measured, names: Sequence[str]) -> dict[str, object]:
    table = Points({"S": points.S, "B_tokens": points.B, "N": points.N}, points.L, list(names))
    ranges = {
        "L": [float(points.L.min()), float(points.L.max())],
        "B_tokens": [min(r.B for r in runs), max(r.B for r in runs)],
        "S": [min(float(r.step[0]) for r in runs), max(float(r.step[-1]) for r in runs)],
    }
    return {"sha256": table.sha256(), "runs": [run.run for run in runs], "ranges": ranges}


def _predicted(t: BatchTrajectory, at: Measured) -> np.ndarray:
    """Return the loss at every point, nats/token."""
    losses = np.empty(len(at.L))
    for N in np.unique(at.N):
        here = at.N == N
        losses[here] = t.loss(at.S[here], at.B[here], N=float(N) if t.Nc is not None else None)
    return losses


def _fit_jointly(start: BatchTrajectory, points: Measured, delta: float) -> Joint:
    """Minimise Huber of ln predicted - ln loss, summed, from a fit in stages.

    The coordinates are what the points determine: the loss above the floor, the critical batch and
    the floor in the middle of the data, and logarithms of the exponents.
    """
    from scipy.optimize import least_squares

    trajectory_at, u = _coordinates(start, points)
    logs = np.log(points.L)

    def residuals(u: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):  # a step of the search that has no loss is not taken
            return np.log(_predicted(trajectory_at(u), points)) - logs

    stop = {"xtol": TOLERANCE, "ftol": TOLERANCE, "gtol": TOLERANCE, "max_nfev": MOST_EVALUATIONS}
    ended = least_squares(residuals, u, loss="huber", f_scale=delta, x_scale="jac", **stop)
    trajectory = trajectory_at(ended.x)
    status = Status.CONVERGED if ended.success else Status.NOT_CONVERGED
    if trajectory.floor is not None and trajectory.floor < ABSENT * points.L.min():
        status = Status.AT_BOUND
    return Joint(trajectory, float(ended.cost), residuals(ended.x), status)


def _coordinates(
    start: BatchTrajectory, points: Measured
) -> tuple[Callable[[np.ndarray], BatchTrajectory], np.ndarray]:
    """Return the map from coordinates to a trajectory, and the start's coordinates."""
    loss = float(np.exp(np.mean(np.log(points.L))))
    least = points.S / (1 + start.critical_batch(points.L) / points.B)
    step, size = (float(np.exp(np.mean(np.log(x)))) for x in (least, points.N))
    lowest = float(points.L.min())
    sized = start.Nc is not None

    def trajectory_at(u: np.ndarray) -> BatchTrajectory:
        above, alpha_S, critical, steep = np.exp(u[:4])
        steps = {"Sc": float(step * above ** (1 / alpha_S)), "alpha_S": float(alpha_S)}
        laws = steps | {"B_star": float(critical * loss**steep), "alpha_B": float(1 / steep)}
        if sized:
            capacity, alpha_N = np.exp(u[4:])
            Nc = float(size * capacity ** (1 / alpha_N))
            return BatchTrajectory(**laws, Nc=Nc, alpha_N=float(alpha_N))
        floor = float(lowest / (1 + np.exp(-u[4])))  # between nothing and the lowest loss
        return BatchTrajectory(**laws, floor=floor, N=start.N)

    u = [start.alpha_S * np.log(start.Sc / step), np.log(start.alpha_S)]
    u += [np.log(float(start.critical_batch(loss))), -np.log(start.alpha_B)]
    share = np.clip((start.floor or 0.0) / lowest, 0.01, 0.99)
    open_end = [np.log(share / (1 - share))]
    if sized:
        open_end = [np.log(start.min_loss(size)), np.log(start.alpha_N or np.nan)]
    return trajectory_at, np.array(u + open_end)


# --- What runs at several batch sizes do not say: lines with stable codes.


def checks(
    runs: Sequence[BatchRun],
    levels: Sequence[BatchLevel],
    trajectory: BatchTrajectory,
    replicates: Sequence[BatchTrajectory],
) -> list[Check]:
    """Return one line per question; a warning says what to do."""
    questions = (
        ("bracket", _bracket(levels, trajectory), "the critical batch lies between those run."),
        ("count", _count(levels, replicates), "there are enough batch sizes for an interval."),
        ("levels", _missed(levels), "every batch gets to most of the levels."),
        ("noise", _noise(levels), "steps to a loss lie near their hyperbola."),
        ("learning_rate", _tuned(runs, levels), "no best rate lies at the edge of its sweep."),
        ("schedule", _schedules(runs), "the rate is constant after the warm-up in every run."),
    )
    return [Check.warned(f"batch.{code}", said, passed) for code, said, passed in questions]


def _bracket(levels: Sequence[BatchLevel], trajectory: BatchTrajectory) -> Iterator[str]:
    batches = sorted({b["B"] for level in levels for b in level.batches})
    losses = np.array([level.loss for level in levels])
    low, high = (float(trajectory.critical_batch(at)) for at in (losses.max(), losses.min()))
    tokens = np.array(batches)
    above, below = (tokens > high).any(), (tokens < low).any()
    if not above or not below:
        side = "below" if not above else "above"
        yield (
            f"the critical batch, {low:.3g} to {high:.3g} tokens, is not between batches that "
            f"were run, {batches[0]:.3g} to {batches[-1]:.3g}: all are {side} it, so it is "
            f"extrapolated. Add runs at {'larger' if not above else 'smaller'} batches."
        )


def _count(levels: Sequence[BatchLevel], replicates: Sequence[BatchTrajectory]) -> Iterator[str]:
    count = len({b["B"] for level in levels for b in level.batches})
    if len(replicates) < FEWEST_LEFT_OUT:
        yield f"{count} batch sizes leave no interval; add some, a factor of four apart."
    elif count < FEW:
        yield f"{count} batch sizes: the intervals rest on leaving out each of few; add some."


def _missed(levels: Sequence[BatchLevel]) -> Iterator[str]:
    often = [B for level in levels for B in level.missed]
    missed = sorted({B for B in often if often.count(B) > MISSED * len(levels)})
    if missed:
        names = ", ".join(f"{B:.6g}" for B in missed)
        yield (
            f"batches of {names} tokens miss more than half of the levels, which lie where most "
            "batches get: train those for longer."
        )


def _noise(levels: Sequence[BatchLevel]) -> Iterator[str]:
    worst = max(level.misfit for level in levels)
    if worst > NOISY:
        yield (
            f"steps to a loss lie up to {100 * worst:.0f} % (root mean square) off the hyperbola: "
            "the learning rate is not tuned at every batch, or the curves are noisy."
        )


def _tuned(runs: Sequence[BatchRun], levels: Sequence[BatchLevel]) -> Iterator[str]:
    groups: dict[tuple[float, float], list[BatchRun]] = {}
    for run in runs:
        groups.setdefault((run.N, run.B), []).append(run)
    if min(len(group) for group in groups.values()) < 2:
        yield (
            "some batches have a single run: if its learning rate is not the best one for that "
            "batch, the critical batch comes out wrong. Sweep the rate at each batch."
        )
    # The first at the lowest level that the batch gets to: levels fall, so the last one counts.
    fastest = {(level.N, b["B"]): b["run"] for level in levels for b in level.batches}
    best = set(fastest.values())
    edges = sorted({B for (_, B), group in groups.items() if _at_an_edge(group, best)})
    if edges:
        yield (
            f"at batches of {', '.join(f'{B:.6g}' for B in edges)} tokens the best learning rate "
            "is the lowest or the highest that was tried: another may need fewer steps. Sweep "
            "further there."
        )


def _at_an_edge(group: Sequence[BatchRun], best: Collection[str]) -> bool:
    """Return whether the best of several rates has none on one of its sides."""
    rates = {run.rate for run in group if np.isfinite(run.rate)}
    own = [run.rate for run in group if run.run in best]
    return len(rates) > 1 and any(rate in (min(rates), max(rates)) for rate in own)


def _schedules(runs: Sequence[BatchRun]) -> Iterator[str]:
    told: dict[str, list[str]] = {}
    for run in runs:
        for note in run.notes:
            told.setdefault(note, []).append(run.run)
    for note, names in told.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield f"{names[0]}{more}: {note}."
