"use strict";
/* What a fit forecasts, from its stored draws: the numbers that `Fit.predict` returns.
   Functions of `model` (see _model.py) alone: a test runs this file beside Python. */

const sum = (values) => values.reduce((a, b) => a + b, 0);

/** The quantile of sorted numbers, as numpy.quantile interpolates. */
function quantileOf(sorted, share) {
  const at = share * (sorted.length - 1), i = Math.floor(at), t = at - i;
  const low = sorted[i], high = sorted[Math.min(i + 1, sorted.length - 1)];
  return t < 0.5 ? low + (high - low) * t : high - (high - low) * (1 - t);
}

const median = (values) => quantileOf([...values].sort((a, b) => a - b), 0.5);

function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Float64Array(bytes.buffer);
}

function forecaster(model) {
  const { sure, spent, laws, parameters, search, turned } = model;
  const [size, data] = spent;
  const draws = drawn();

  /** One object of parameters for each draw of the law. */
  function drawn() {
    if (!sure) return [];
    const columns = Object.entries(sure.draws).map(([name, text]) => [name, unpacked(text)]);
    const each = (i) => Object.fromEntries(columns.map(([name, values]) => [name, values[i]]));
    return Array.from(columns[0][1], (_, i) => each(i));
  }

  const central = (values) => {
    const sorted = Float64Array.from(values).sort();
    return [(1 - model.level) / 2, (1 + model.level) / 2].map((q) => quantileOf(sorted, q));
  };

  const along = (x) =>
    size ? model.compute({}, x) : model.growing.reduce((product, s) => product * x[s], 1);

  /** How many decades a point lies beyond the data: the farthest counts. */
  function decades(x) {
    const upwards = model.axis ? [[model.axis, along(x), 1]] : [];
    if (size) upwards.push([data, x[data], sure.data_worth], [`${data}/${size}`, x[data] / x[size], 1]);
    const far = [0];
    for (const [symbol, value, worth] of upwards) {
      const ways = [[symbol, value, worth], [`1/(${symbol})`, 1 / value, 1]];
      for (const [name, reached, times] of ways)
        if (name in sure.largest) far.push(times * Math.log10(reached / sure.largest[name]));
    }
    return Math.max(...far);
  }

  /** The mean of what the laws say in logarithms, and how far they part. */
  function middle(logs) {
    const finite = logs.filter(Number.isFinite), about = median(finite);
    const kept = logs.map(
      (v) => Number.isFinite(v) && (finite.length < 3 || Math.abs(v - about) <= model.apart));
    const shares = model.weights.map((w, i) => (kept[i] ? w : 0));
    const inside = logs.filter((_, i) => kept[i]);
    return {
      centre: sum(logs.map((v, i) => (kept[i] ? shares[i] * v : 0))) / sum(shares),
      spread: Math.max(...inside) - Math.min(...inside),
    };
  }

  function inTarget(value) {
    return turned ? turned.sign * (value - turned.offset) : value;
  }

  function ends(low, high) {
    return turned && turned.sign < 0 ? [inTarget(high), inTarget(low)] : [inTarget(low), inTarget(high)];
  }

  /** The forecast at inputs x, where the curve lies and where a new run would land. */
  function predict(x) {
    const values = laws.map((law, i) => law(parameters[i], x));
    const extrapolation = reach(x);
    if (!sure)
      return { value: inTarget(values[0]), forecast: inTarget(values[0]), mean: null, new_run: null, extrapolation };
    const logs = values.map(Math.log), { centre, spread } = middle(logs);
    const [low, high] = central(draws.map((p) => Math.log(laws[0](p, x))));
    const far = Math.hypot(sure.drift * decades(x), sure.spread * spread);
    const sides = [Math.max(0, logs[0] - low), Math.max(0, high - logs[0])].map((s) => Math.hypot(s, far));
    const wide = sure.widening, about = (down, up) =>
      ends(Math.exp(centre - wide * down), Math.exp(centre + wide * up));
    return {
      value: inTarget(values[0]),
      forecast: inTarget(Math.exp(centre)),
      mean: about(...sides),
      new_run: about(...sides.map((side, i) => Math.hypot(side, sure.scatter[i]))),
      extrapolation,
    };
  }

  /** By which factor each input, and the axis, lies outside what was fitted. */
  function reach(x) {
    const values = { ...x, [model.axis]: along(x) }, factors = {};
    for (const [symbol, [low, high]] of Object.entries(model.ranges)) {
      const v = values[symbol];
      factors[symbol] = model.linear.includes(symbol)
        ? 1 + Math.max(0, v - high, low - v) / (high - low || 1)
        : Math.max(1, v / high, low / v);
    }
    return factors;
  }

  /** The data that a compute buys for a size. */
  function bought(compute, x) {
    let grown = 1;
    for (let i = 0; i < 100; i++) {
      grown *= compute / model.compute({}, { ...x, [data]: grown });
      if (!(Math.abs(model.compute({}, { ...x, [data]: grown }) / compute - 1) > 1e-12)) break;
    }
    return grown;
  }

  /** Inputs of a size at a budget that pays for training and for answers. */
  function at(logSize, budget, answers, held) {
    const N = Math.exp(logSize), left = budget - search.answered * answers * N;
    const x = { ...held, [size]: N };
    return { ...x, [data]: left > 0 ? bought(left, x) : NaN };
  }

  /** The split of least loss by parameters p; null where there is none. */
  function best(p, budget, answers, held) {
    if (model.best && !answers) {
      const split = model.best(p, { ...held, C: budget });
      return split[size] > 0 && Number.isFinite(split[size]) ? { ...held, ...split } : null;
    }
    const around = Math.log(budget / search.usual) / 2;
    const bottom = around - search.farthest, step = (2 * search.farthest) / (search.places - 1);
    const loss = (place) => {
      const value = laws[0](p, at(place, budget, answers, held));
      return Number.isNaN(value) ? Infinity : value;
    };
    let first = 0, least = Infinity;
    for (let i = 0; i < search.places; i++) {
      const value = loss(bottom + i * step);
      if (value < least) [first, least] = [i, value];
    }
    if (first === 0 || first === search.places - 1) return null;
    let low = bottom + (first - 1) * step, high = low + 2 * step;
    for (let i = 0; i < search.steps; i++) {
      const inner = high - search.golden * (high - low), outer = low + search.golden * (high - low);
      if (loss(inner) <= loss(outer)) high = outer;
      else low = inner;
    }
    return at((low + high) / 2, budget, answers, held);
  }

  /** The range of draws, together with the same laid about the law's own number. */
  function range(own, values) {
    if (!values.length || values.some((v) => !Number.isFinite(v))) return null;
    const [low, high] = central(values), shift = own / median(values);
    return [Math.min(low, low * shift), Math.max(high, high * shift)];
  }

  /** Between which sizes the loss is nearly the least. */
  function valley(split, budget, answers, held) {
    const centre = Math.log(split[size]);
    const wanted = laws[0](parameters[0], split) * (1 + model.shares);
    return [-1, 1].map((side) => {
      const inside = (moved) =>
        laws[0](parameters[0], at(centre + side * moved, budget, answers, held)) <= wanted;
      if (inside(model.farthest)) return side < 0 ? 0 : Infinity;
      let near = 0, far = model.farthest;
      for (let i = 0; i < 60; i++) {
        const between = (near + far) / 2;
        if (inside(between)) near = between;
        else far = between;
      }
      return Math.exp(centre + side * near);
    });
  }

  /** The best size and data that a budget buys, and how sure that is. */
  function optimum(budget, answers, held) {
    const split = best(parameters[0], budget, answers, held);
    if (!split) return null;
    const others = draws.map((p) => best(p, budget, answers, held));
    const sizes = others.map((o) => (o ? o[size] : NaN));
    return {
      inputs: split,
      interval: range(split[size], sizes),
      near: valley(split, budget, answers, held),
      loss: predict(split),
    };
  }

  return { predict, optimum, along, bought, at };
}

if (typeof module !== "undefined") module.exports = { forecaster };
