// Plots, in SVG: colours come from the style, so that they follow light and dark.
const NS = "http://www.w3.org/2000/svg";
const GLYPHS = {
  reload: "M6 2 10 10H2Z", crash: "M2 2l8 8M10 2l-8 8", recycle: "M6 2a4 4 0 1 0 .01 0Z",
  upgrade: "M6 1.5 10.5 6 6 10.5 1.5 6Z", change: "M2.5 2.5h7v7h-7Z",
};
const EDGE = { left: 54, right: 10, top: 18, bottom: 19 };

function el(name, attributes, ...children) {
  const e = document.createElement(name);
  for (const [k, v] of Object.entries(attributes || {})) e.setAttribute(k, v);
  e.append(...children);
  return e;
}
function svg(name, attributes, ...children) {
  const e = document.createElementNS(NS, name);
  for (const [k, v] of Object.entries(attributes || {})) e.setAttribute(k, v);
  e.append(...children);
  return e;
}
function set(e, name, value) { if (e.getAttribute(name) !== value) e.setAttribute(name, value); }
function say(e, text) { if (e.textContent !== text) e.textContent = text; }

// pool gives elements of one kind below a parent, and takes away what is left over.
function pool(parent, make) {
  const have = [];
  let n = 0;
  return {
    next() { if (n === have.length) { have.push(make()); parent.append(have[n]); } return have[n++]; },
    end() { while (have.length > n) have.pop().remove(); n = 0; },
  };
}

class Plot {
  constructor(spec) {
    this.spec = spec;
    this.svg = svg("svg", { class: "plot", role: "img" });
    this.grid = svg("g"); this.body = svg("g"); this.over = svg("g");
    this.svg.append(this.grid, this.body, this.over);
    this.cursor = svg("path", { class: "cur" });
    this.legend = el("ul", { class: "legend" });
    this.details = el("details", {}, el("summary", {}, "As a table"));
    this.details.addEventListener("toggle", () => { if (this.drawn) this.table(...this.drawn); });
    const title = el("h3", { id: "plot-" + spec.id }, spec.title);
    this.root = el("figure", { "aria-labelledby": "plot-" + spec.id }, el("div", { class: "cap" }, title, this.legend), this.svg, this.details);
    this.lines = pool(this.grid, () => svg("path", { class: "g" }));
    this.texts = pool(this.grid, () => svg("text"));
    this.paths = pool(this.body, () => svg("path"));
    this.strokes = pool(this.over, () => svg("path", { class: "mk" }));
    this.glyphs = pool(this.over, () => svg("path"));
    this.over.append(this.cursor);
    this.items = pool(this.legend, () => {
      const line = svg("line", { x1: 1, x2: 15, y1: 4, y2: 4, "stroke-width": 3 });
      const li = el("li", {}, svg("svg", { viewBox: "0 0 16 8", "aria-hidden": "true" }, line), document.createTextNode(""), el("b"));
      li.parts = { line, label: li.childNodes[1], value: li.childNodes[2] };
      return li;
    });
    this.width = this.height = 0;
    new ResizeObserver(([e]) => {
      this.width = e.contentRect.width; this.height = e.contentRect.height;
      if (this.drawn) this.draw(...this.drawn);
    }).observe(this.svg);
  }

  // draw shows a view; at is the index of the moment that is looked at, -1 for now.
  draw(v, marks, at) {
    this.drawn = [v, marks, at];
    const { width: w, height: h, spec } = this;
    if (!w) return;
    const all = spec.series(v);
    const x = (t) => EDGE.left + (t - v.from) / (v.to - v.from) * (w - EDGE.left - EDGE.right);
    const scale = spec.log ? logScale(all) : linearScale(all, spec.stack, spec.whole, spec.unit || 1);
    const y = (n) => h - EDGE.bottom - scale.part(n) * (h - EDGE.top - EDGE.bottom);
    this.axes(v, x, y, scale);
    const base = v.at.map(() => 0);
    for (const s of all) {
      const p = this.paths.next();
      set(p, "class", spec.stack ? "a" : "l");
      const color = "var(--" + s.color + ")";
      set(p, spec.stack ? "fill" : "stroke", color);
      set(p, spec.stack ? "stroke" : "fill", "none");
      set(p, "stroke-dasharray", s.dash || "none");
      set(p, "opacity", spec.members && v.at.length && s.values[v.at.length - 1] < 0 ? ".45" : "1");
      set(p, "d", spec.stack ? area(v.at, s.values, base, x, y) : line(v.at, s.values, x, y));
    }
    this.paths.end();
    for (const m of marks) {
      if (m.at < v.from) continue;
      const mx = x(m.at).toFixed(1);
      set(this.strokes.next(), "d", `M${mx} ${EDGE.top - 2}V${h - EDGE.bottom}`);
      const g = this.glyphs.next();
      set(g, "class", "gl " + m.kind);
      set(g, "d", GLYPHS[m.kind]);
      set(g, "transform", `translate(${mx - 6} 2)`);
    }
    this.strokes.end(); this.glyphs.end();
    set(this.cursor, "d", at >= 0 ? `M${x(v.at[at]).toFixed(1)} ${EDGE.top - 2}V${h - EDGE.bottom}` : "");
    const k = at >= 0 ? at : v.at.length - 1;
    for (const s of all) {
      if (spec.members && !(s.values[k] >= 0)) continue; // it was not there
      const { parts } = this.items.next();
      set(parts.line, "stroke", "var(--" + s.color + ")");
      set(parts.line, "stroke-dasharray", s.dash || "none");
      say(parts.label, s.label + " ");
      say(parts.value, k < 0 ? "–" : spec.format(s.values[k]) + (s.of && s.of[k] >= 0 ? " of " + spec.format(s.of[k]) : ""));
    }
    this.items.end();
    const there = spec.members ? all.filter((s) => s.values[k] >= 0) : all;
    set(this.svg, "aria-label", `${spec.title}, ${windowName(v)}. ` + there.map((s) =>
      `${s.label}: ${at >= 0 ? "then" : "now"} ${k < 0 ? "unknown" : spec.format(s.values[k])}, highest ${spec.format(Math.max(-1, ...s.values))}`).join("; "));
    this.table(v, marks, at);
  }

  axes(v, x, y, scale) {
    const { width: w, height: h, spec } = this;
    for (const n of scale.ticks) {
      const py = Math.round(y(n)) + .5;
      const l = this.lines.next();
      set(l, "d", `M${EDGE.left} ${py}H${w - EDGE.right}`);
      set(l, "class", n === scale.ticks[0] ? "g base" : "g");
      label(this.texts.next(), EDGE.left - 7, py + 3.5, "end", (spec.tick || spec.format)(n));
    }
    const minutes = Math.round((v.to - v.from) / 60000), few = w < 420;
    const each = minutes > 10 ? few ? 20 : 10 : 1;
    for (let m = 0; m <= minutes; m += each) {
      if (few && each === 1 && m % 2 === 0 && m > 0) continue;
      const px = x(v.to - m * 60000);
      label(this.texts.next(), px, h - 4, m === 0 ? "end" : m === minutes ? "start" : "middle", m === 0 ? "now" : `−${m} min`);
    }
    this.lines.end(); this.texts.end();
  }

  // table gives the numbers to who does not see the plot, while it is open.
  table(v) {
    if (!this.details.open) return;
    const all = this.spec.series(v);
    const rows = [];
    for (let i = 0; i <= 10; i++) {
      const t = v.to - i * (v.to - v.from) / 10;
      const k = nearest(v.at, t);
      if (k < 0 || Math.abs(v.at[k] - t) > 15000) continue;
      rows.push(el("tr", {}, el("th", { scope: "row" }, ago((v.to - v.at[k]) / 1000)), ...all.map((s) => el("td", { class: "n" }, this.spec.format(s.values[k])))));
    }
    const head = el("tr", {}, el("th", { scope: "col" }, "When"), ...all.map((s) => el("th", { scope: "col", class: "n" }, s.label)));
    const old = this.details.querySelector(".scroll");
    const fresh = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": this.spec.title + " as a table" },
      el("table", {}, el("caption", {}, `${this.spec.title}, ${windowName(v)}`), el("thead", {}, head), el("tbody", {}, ...rows)));
    if (!old) this.details.append(fresh);
    else old.replaceChildren(...fresh.childNodes); // the focus stays where it is
  }
}

function windowName(v) { return v.to - v.from > 600000 ? "last hour" : "last 5 minutes"; }

function label(t, x, y, anchor, text) {
  set(t, "x", x.toFixed(1)); set(t, "y", y.toFixed(1)); set(t, "text-anchor", anchor);
  say(t, text);
}

function nearest(at, t) {
  if (!at.length) return -1;
  let lo = 0, hi = at.length - 1;
  while (lo < hi) { const mid = (lo + hi) >> 1; if (at[mid] < t) lo = mid + 1; else hi = mid; }
  return lo > 0 && t - at[lo - 1] < at[lo] - t ? lo - 1 : lo;
}

function line(at, values, x, y) {
  let d = "", n = 0, px = 0, py = 0;
  for (let i = 0; i < at.length; i++) {
    if (values[i] < 0) {
      if (n === 1) d += `M${(px - 1).toFixed(1)} ${py.toFixed(1)}h2`; // a point alone
      n = 0;
      continue;
    }
    px = x(at[i]); py = y(values[i]);
    if (++n === 2) d += `M${x(at[i - 1]).toFixed(1)} ${y(values[i - 1]).toFixed(1)}`;
    if (n > 1) d += `L${px.toFixed(1)} ${py.toFixed(1)}`;
  }
  if (n === 1) d += `M${(px - 1).toFixed(1)} ${py.toFixed(1)}h2`;
  return d;
}

// area puts values on top of base, which it raises.
function area(at, values, base, x, y) {
  let d = "", from = -1;
  const close = (to) => {
    if (from < 0) return;
    let up = "", down = "";
    for (let i = from; i < to; i++) {
      const px = x(at[i]).toFixed(1);
      up += (up ? "L" : "M") + px + " " + y(base[i] + values[i]).toFixed(1);
      down = "L" + px + " " + y(base[i]).toFixed(1) + down;
    }
    d += up + down + "Z";
    for (let i = from; i < to; i++) base[i] += values[i];
    from = -1;
  };
  for (let i = 0; i < at.length; i++) {
    if (values[i] < 0) close(i);
    else if (from < 0) from = i;
  }
  close(at.length);
  return d;
}

function linearScale(all, stack, whole, unit) {
  let top = 0;
  if (stack) {
    const n = all.length ? all[0].values.length : 0;
    for (let i = 0; i < n; i++) { let sum = 0; for (const s of all) sum += Math.max(0, s.values[i]); top = Math.max(top, sum); }
  } else for (const s of all) for (const n of s.values) if (n > top) top = n;
  top = Math.max(top, whole || 1) / unit;
  const rough = top / 4, mag = Math.pow(10, Math.floor(Math.log10(rough)));
  let step = mag * ([1, 2, 2.5, 5, 10].find((m) => m * mag >= rough) || 10);
  if (step < 1) step = top <= 1 ? .5 : 1;
  const ticks = [];
  for (let n = 0; ; n += step) { ticks.push(n * unit); if (n >= top) break; }
  const max = ticks[ticks.length - 1];
  return { ticks, part: (n) => Math.min(n, max) / max };
}

// logScale is for durations: a median and its tail are often a hundredfold apart.
function logScale(all) {
  let lo = 1e9, hi = 0;
  for (const s of all) for (const n of s.values) if (n >= 0) { lo = Math.min(lo, Math.max(n, 100)); hi = Math.max(hi, n); }
  if (lo > hi) { lo = 1e3; hi = 1e5; }
  let a = Math.floor(Math.log10(lo) + 1e-9), b = Math.ceil(Math.log10(Math.max(hi, lo)) - 1e-9);
  if (b - a < 2) b = a + 2;
  const ticks = [];
  for (let e = a; e <= b; e++) ticks.push(Math.pow(10, e));
  return { ticks, part: (n) => (Math.log10(Math.max(n, ticks[0])) - a) / (b - a) };
}
