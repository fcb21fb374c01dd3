/* What one moves, and what is then said and drawn. Every number comes from forecaster(model). */
(() => {
  const ask = forecaster(model);
  const byId = (id) => document.getElementById(id);
  const [size, data] = model.spent;
  const main = size || model.inputs[0];
  const sliders = [...document.querySelectorAll("input[type=range]")];
  const state = {};
  let waiting = 0;

  /** 7B, 1.33T, 124M, as the command line writes them. */
  function short(value, count = 4) {
    if (value === Infinity) return "more";
    for (const [limit, suffix] of [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]])
      if (Math.abs(value) >= limit && Math.abs(value) < 1e15) return digits(value / limit, count) + suffix;
    return digits(value, count);
  }

  const short3 = (value) => short(value, 3);

  function digits(value, count) {
    const text = Number(value.toPrecision(count));
    return Math.abs(text) >= 1e6 || (text !== 0 && Math.abs(text) < 1e-4) ? text.toExponential() : String(text);
  }

  const power = (value) => value.toExponential(2);
  const loss = (value) => (Math.abs(value) >= 0.1 ? value.toFixed(4) : digits(value, 5));

  function read(text) {
    const parts = /^\s*([-+]?[\d.]+(?:e[-+]?\d+)?)\s*([kKMmBbGgTt]?)\s*$/.exec(text.replaceAll(",", ""));
    const times = { k: 1e3, m: 1e6, b: 1e9, g: 1e9, t: 1e12, "": 1 };
    return parts ? Number(parts[1]) * times[parts[2].toLowerCase()] : NaN;
  }

  const logarithmic = (slider) => slider.dataset.log === "1";

  function place(slider, value) {
    const [low, high] = [Number(slider.dataset.low), Number(slider.dataset.high)];
    const share = logarithmic(slider)
      ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
    return 1000 * Math.min(1, Math.max(0, share));
  }

  function valueAt(slider) {
    const [low, high] = [Number(slider.dataset.low), Number(slider.dataset.high)];
    const share = Number(slider.value) / 1000;
    return logarithmic(slider) ? low * Math.pow(high / low, share) : low + share * (high - low);
  }

  const held = () =>
    Object.fromEntries(model.inputs.filter((s) => !model.spent.includes(s)).map((s) => [s, state[s]]));
  const point = () => Object.fromEntries(model.inputs.map((s) => [s, state[s]]));
  const typed = (id) => { const field = byId(id); return field ? read(field.value) : 0; };

  function set(symbol, value) {
    if (symbol === "C" && size && !model.inputs.includes("C")) {
      const best = ask.optimum(value, 0, held());
      const times = Math.sqrt(value / ask.along(point()));
      Object.assign(state, best ? best.inputs : { [size]: state[size] * times, [data]: state[data] * times });
      state.C = value;
    } else {
      state[symbol] = value;
      if (size) state.C = ask.along(point());
    }
  }

  function shown(except) {
    for (const slider of sliders) {
      const { symbol } = slider.dataset, value = state[symbol], field = byId(`in-${symbol}`);
      if (slider !== except) slider.value = place(slider, value);
      if (field !== except) field.value = symbol === "C" ? power(value) : short(value);
      slider.setAttribute("aria-valuetext", symbol === "C" ? power(value) : short(value));
    }
  }

  const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 2 : 1)} %`;

  function say(rows) {
    const list = byId("told");
    list.replaceChildren();
    for (const [term, text] of rows) {
      const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
      [dt.textContent, dd.textContent] = [term, text];
      list.append(dt, dd);
    }
  }

  function money(flop) {
    const [price, speed] = [typed("in-price"), typed("in-flops")];
    const hours = flop / speed / 3600;
    return speed > 0 && price >= 0 ? `${short3(hours)} GPU-hours, $${short3(hours * price)}` : "-";
  }

  const range = (pair, write) => (pair ? `${write(pair[0])} to ${write(pair[1])}` : "not known");

  function far(factors) {
    const out = Object.entries(factors).filter(([, f]) => f > 1.005);
    const told = ([s, f]) => (model.linear.includes(s) ? `${s} outside` : `${s} x${digits(f, 3)}`);
    return out.length ? out.map(told).join(", ") : "inside what was fitted";
  }

  function update(except) {
    const answers = typed("in-T"), wrong = model.inputs.find((s) => !(Number.isFinite(state[s])));
    byId("wrong").textContent = wrong || !(answers >= 0) ? "That is no number: write 7B, 300M or 1e24." : "";
    if (wrong || !(answers >= 0)) return;
    shown(except);
    const x = point(), told = ask.predict(x), level = digits(100 * model.level, 4);
    const { target } = model;
    byId("told-forecast").textContent = `${target} ${loss(told.forecast)}`;
    byId("told-range").textContent = told.new_run
      ? `${level} % of new runs in ${range(told.new_run, loss)}; the curve itself in ${range(told.mean, loss)}`
      : "No range is known: the fit carries no draws.";
    const rows = [["beyond the data", far(told.extrapolation)]];
    if (size) {
      const spent = ask.along(x) + model.search.answered * answers * x[size];
      rows.unshift([`${data}/${size}`, digits(x[data] / x[size], 4)]);
      rows.push(["training", `${power(ask.along(x))} FLOP: ${money(ask.along(x))}`]);
      if (answers > 0) rows.push(["with its use", `${power(spent)} FLOP: ${money(spent)}`]);
      clearTimeout(waiting);
      if (answers > 0) {
        // Each draw is searched for its best split: that waits until nothing moves any more.
        waiting = setTimeout(() => optimum(rows, told, spent, answers), 250);
        say([...rows, ["the law's best split", "..."]]);
        draw(x, null, told, answers);
        return;
      }
      optimum(rows, told, spent, answers);
    } else {
      say(rows);
      draw(x, null, told, 0);
    }
    announce(`${target} ${loss(told.forecast)}, ${range(told.new_run, loss)}`);
  }

  const announce = (text) => { byId("told-status").textContent = text; };

  function optimum(rows, told, budget, answers) {
    const best = ask.optimum(budget, answers, held());
    if (!best) {
      say([...rows, ["the law's best split", "none inside what can be looked at"]]);
      draw(point(), null, told, answers);
      return;
    }
    const of = best.loss.forecast, split = best.inputs;
    say([
      ...rows,
      ["the law's best split", `${size} ${short(split[size])} (${level()} ${range(best.interval, short)}), ${data} ${short(split[data])}`],
      ["nearly as good", `${size} from ${range(best.near, short)} (within ${percent(model.shares)})`],
      ["forecast there", `${loss(of)} (${range(best.loss.new_run, loss)})`],
    ]);
    byId("take-best").onclick = () => {
      Object.assign(state, split);
      state.C = ask.along(point());
      update(null);
    };
    draw(point(), best, told, answers);
  }

  const level = () => `${digits(100 * model.level, 4)} %`;

  /** The forecast along the main input: of a size at the same compute, else with the rest held. */
  function along(x, answers, from, to, count) {
    const log = logarithmic(byId(`move-${main}`)), points = [];
    const budget = size ? ask.along(x) + model.search.answered * answers * x[size] : 0;
    for (let i = 0; i <= count; i++) {
      const at = log ? from * Math.pow(to / from, i / count) : from + (i / count) * (to - from);
      const there = size ? ask.at(Math.log(at), budget, answers, held()) : { ...x, [main]: at };
      const told = ask.predict(there);
      if (Number.isFinite(told.forecast)) points.push({ at, told });
    }
    return points;
  }

  /** The points that are drawn: the valley and not its walls, which would press it flat. */
  function valley(x, best, told, answers) {
    const slider = byId(`move-${main}`), [low, high] = [slider.dataset.low, slider.dataset.high].map(Number);
    if (!size) return along(x, answers, low, high, 48);
    const [down, up] = told.new_run || [told.forecast, told.forecast];
    const sides = [up - told.forecast, told.forecast - down, 0.03 * Math.abs(told.forecast)];
    const least = best ? Math.min(told.forecast, best.loss.forecast) : told.forecast;
    const limit = Math.max(told.forecast, least + 2 * Math.max(...sides));
    const kept = along(x, answers, x[size] / 300, x[size] * 300, 40)
      .filter((p) => p.told.forecast <= limit).map((p) => p.at);
    const ends = [...kept, x[size], ...(best ? [best.inputs[size]] : [])];
    return along(x, answers, Math.min(...ends), Math.max(...ends), 40);
  }

  /** Round numbers between two. */
  function ticks(low, high, log) {
    if (log) {
      const every = [];
      for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
        for (const first of [1, 2, 5]) every.push(first * Math.pow(10, power));
      const inside = every.filter((v) => v >= low * 0.999 && v <= high * 1.001);
      const decades = inside.filter((v) => Math.abs(Math.log10(v) - Math.round(Math.log10(v))) < 1e-9);
      return inside.length > 7 && decades.length > 1 ? decades : inside;
    }
    const power = Math.pow(10, Math.floor(Math.log10((high - low) / 4))), found = [];
    const step = [10, 5, 2.5, 2, 1].find((n) => (high - low) / (n * power) >= 4) * power;
    for (let v = Math.ceil(low / step) * step; v <= high * (1 + 1e-12); v += step) found.push(v);
    return found;
  }

  const XML = "http://www.w3.org/2000/svg";

  function add(parent, name, attributes, text) {
    const element = document.createElementNS(XML, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    parent.append(element);
  }

  function draw(x, best, told, answers) {
    const svg = byId("curve"), points = valley(x, best, told, answers);
    while (svg.children.length > 2) svg.lastChild.remove();
    if (points.length < 2) return;
    const width = Math.max(320, Math.min(720, svg.clientWidth || 720));
    svg.setAttribute("viewBox", `0 0 ${width} 320`);
    const box = { left: 56, right: width - 14, top: 14, bottom: 268 };
    const log = logarithmic(byId(`move-${main}`)), scale = log ? Math.log : (v) => v;
    const [low, high] = [points[0].at, points[points.length - 1].at], [first, last] = [low, high].map(scale);
    const every = points.flatMap(({ told: t }) => [t.forecast, ...(t.new_run || [])]);
    const [bottom, top] = [Math.min(...every), Math.max(...every)];
    const X = (v) => box.left + ((scale(v) - first) / (last - first || 1)) * (box.right - box.left);
    const Y = (v) => box.bottom - ((v - bottom) / (top - bottom || 1)) * (box.bottom - box.top);
    for (const v of ticks(bottom, top, false)) {
      add(svg, "line", { class: "grid", x1: box.left, x2: box.right, y1: Y(v), y2: Y(v) });
      add(svg, "text", { x: box.left - 6, y: Y(v) + 4, "text-anchor": "end" }, digits(v, 4));
    }
    for (const v of ticks(low, high, log)) {
      add(svg, "line", { class: "grid", x1: X(v), x2: X(v), y1: box.bottom, y2: box.bottom + 5 });
      add(svg, "text", { x: X(v), y: box.bottom + 20, "text-anchor": "middle" }, short(v));
    }
    const name = size ? `${main}, at the same compute` : main;
    add(svg, "text", { x: (box.left + box.right) / 2, y: box.bottom + 42, "text-anchor": "middle" }, name);
    const path = (list) => list.map(([a, b], i) => `${i ? "L" : "M"}${X(a).toFixed(1)} ${Y(b).toFixed(1)}`).join("");
    if (told.new_run) {
      const edges = [0, 1].map((end) => points.map((p) => [p.at, p.told.new_run[end]]));
      add(svg, "path", { class: "band", d: `${path([...edges[1], ...edges[0].reverse()])}Z` });
    }
    const inside = (p) => Object.values(p.told.extrapolation).every((f) => f <= 1.005);
    points.slice(1).forEach((p, i) => {
      const between = [points[i], p];
      add(svg, "path", { class: between.every(inside) ? "line" : "line beyond", d: path(between.map((q) => [q.at, q.told.forecast])) });
    });
    if (best) add(svg, "circle", { class: "best", cx: X(best.inputs[size]), cy: Y(best.loss.forecast), r: 6 });
    add(svg, "circle", { class: "here", cx: X(x[main]), cy: Y(told.forecast), r: 4.5 });
    const beside = best ? `; by the law the best split is at ${short(best.inputs[size])}, forecast ${loss(best.loss.forecast)} (ring)` : "";
    const words = `${model.target} along ${main}${size ? " at the same compute" : ""}: ${loss(told.forecast)} at ${short(x[main])} (dot)${beside}. Dashed: beyond the data. Band: where a new run would land.`;
    byId("curve-desc").textContent = words;
    byId("curve-caption").textContent = words;
  }

  for (const slider of sliders) {
    const { symbol } = slider.dataset;
    state[symbol] = Number(slider.dataset.value);
    slider.addEventListener("input", () => { set(symbol, valueAt(slider)); update(slider); });
    const field = byId(`in-${symbol}`);
    field.addEventListener("input", () => {
      const value = read(field.value);
      if (Number.isFinite(value) && (value > 0 || !logarithmic(slider))) { set(symbol, value); update(field); }
      else byId("wrong").textContent = "That is no number: write 7B, 300M or 1e24.";
    });
    field.addEventListener("change", () => update(null));
  }
  for (const id of ["in-T", "in-price", "in-flops"]) byId(id)?.addEventListener("input", () => update(null));
  byId("asked").addEventListener("submit", (event) => event.preventDefault());
  addEventListener("resize", () => update(null));
  if (size) state.C = ask.along(point());
  byId("try").hidden = false;
  update(null);
})();
