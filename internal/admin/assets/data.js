// The hour, by column, as the stream brings it: see wire.go.
const COLUMNS = ["at", "other", "s2xx", "s3xx", "s4xx", "s5xx", "p50", "p99", "inFlight", "permits", "inUse", "queue", "ready", "wanted", "connections", "span"];
const KEPT = 3600;

// The memory is a row for each sample, as the stream has it: id, KiB, id, KiB. There are
// only so many in one, and so in an hour, however many workers come and go.
const hour = { stamps: [], memory: [], live: null, wall: 0, now: 0 };
for (const c of COLUMNS) hour[c] = [];

// undelta reads a column: differences, and for zeros in a row an array of their number.
function undelta(list, each) {
  const out = [];
  let n = 0;
  for (const d of list) {
    if (Array.isArray(d)) for (let i = 0; i < d[0]; i++) out.push(n);
    else out.push(n += d);
  }
  return each ? out.map(each) : out;
}

function loadHour(m) {
  for (const c of COLUMNS) hour[c] = undelta(m[c]);
  hour.stamps = hour.at.map((n, i) => n + i * 1000);
  hour.memory = hour.stamps.map(() => []);
  for (const s of m.memory) undelta(s.kib).forEach((kib, i) => hour.memory[s.from + i].push(s.id, kib));
  hour.live = null;
  hour.now = m.now;
  hour.wall = m.wall;
}

// takeTick adds a whole second to the hour, and keeps the moment beside it.
function takeTick(t) {
  if (t.whole) {
    COLUMNS.forEach((c, i) => { (c === "at" ? hour.stamps : hour[c]).push(t.whole[i]); });
    hour.memory.push(t.whole[COLUMNS.length]);
    if (hour.stamps.length > KEPT) {
      hour.stamps.shift();
      hour.memory.shift();
      for (const c of COLUMNS) if (c !== "at") hour[c].shift();
    }
  }
  hour.live = {};
  COLUMNS.forEach((c, i) => { hour.live[c] = t.live[i]; });
  hour.live.memory = t.live[COLUMNS.length];
  hour.now = hour.live.at;
  hour.wall = t.wall;
}

// LINES is how many workers a plot tells apart: those that were there last, and of
// these the newest. The others are one line, as the server's own others are.
const LINES = 24;

function toldApart(rows) {
  const seen = new Map();
  rows.forEach((row, at) => { for (let i = 0; i < row.length; i += 2) seen.set(row[i], at); });
  const others = seen.delete(0), ids = [...seen.keys()].sort((a, b) => seen.get(b) - seen.get(a) || b - a);
  const told = ids.slice(0, LINES).sort((a, b) => a - b);
  return others || told.length < ids.length ? [...told, 0] : told;
}

// view is the window as the plots show it: points of a second, or for an hour steps
// of ten, in which rates are means and all else is the highest.
function view(seconds) {
  const from = hour.now - seconds * 1000, step = seconds > 600 ? 10000 : 0;
  const n = hour.stamps.length;
  let first = 0;
  if (n && hour.stamps[0] < from) {
    let lo = 0, hi = n;
    while (lo < hi) { const mid = (lo + hi) >> 1; if (hour.stamps[mid] < from) lo = mid + 1; else hi = mid; }
    first = lo;
  }
  const v = { from, to: hour.now, at: [], memory: new Map() };
  for (const c of COLUMNS) if (c !== "at") v[c] = [];
  const rows = hour.memory.slice(first);
  if (hour.live) rows.push(hour.live.memory);
  const ids = v.ids = toldApart(rows), is = new Map();
  for (const id of ids) v.memory.set(id, []);
  let bin = -1, last = 0;
  const put = (at, get, row) => {
    const b = step ? Math.floor(at / step) : at;
    const fresh = b !== bin;
    if (fresh && v.at.length && at - last > 5000) { // a gap: nobody has looked
      v.at.push((at + last) / 2);
      for (const c of COLUMNS) if (c !== "at") v[c].push(-1);
      for (const id of ids) v.memory.get(id).push(-1);
    }
    bin = b; last = at;
    if (fresh) v.at.push(at); else v.at[v.at.length - 1] = at;
    const k = v.at.length - 1;
    for (const c of COLUMNS) {
      if (c === "at") continue;
      const x = get(c);
      if (fresh) v[c].push(x);
      else if (SUMMED.has(c)) v[c][k] = v[c][k] < 0 ? x : v[c][k] + Math.max(0, x);
      else v[c][k] = Math.max(v[c][k], x);
    }
    is.clear();
    for (let i = 0; i < row.length; i += 2) {
      const id = v.memory.has(row[i]) ? row[i] : 0;
      is.set(id, (is.get(id) || 0) + row[i + 1]);
    }
    for (const id of ids) {
      const s = v.memory.get(id), x = is.has(id) ? is.get(id) : -1;
      if (fresh) s.push(x); else s[k] = Math.max(s[k], x);
    }
  };
  for (let i = first; i < n; i++) put(hour.stamps[i], (c) => hour[c][i], hour.memory[i]);
  const live = hour.live;
  if (live && !step && live.at > (n ? hour.stamps[n - 1] : 0)) {
    put(live.at, (c) => live[c], live.memory);
  }
  for (const c of ["other", "s2xx", "s3xx", "s4xx", "s5xx"]) v[c] = v[c].map((x, i) => x < 0 ? -1 : x * 1000 / Math.max(1, v.span[i]));
  return v;
}
const SUMMED = new Set(["other", "s2xx", "s3xx", "s4xx", "s5xx", "span"]);

// What numbers look like.
function count(n) {
  if (n < 0 || n == null) return "–";
  if (n >= 99950) return (n / 1000).toFixed(0) + "k";
  if (n >= 9995) return (n / 1000).toFixed(1) + "k";
  return n < 10 && n % 1 ? n.toFixed(1) : String(Math.round(n));
}
function micros(n) {
  if (n < 0 || n == null) return "–";
  if (n >= 60e6) return "≥ 60 s";
  if (n >= 1e6) return (n / 1e6).toPrecision(3) + " s";
  if (n >= 1000) return (n / 1000).toPrecision(n < 1e5 ? 3 : 3) + " ms";
  return Math.round(n) + " µs";
}
function kib(n) {
  if (n < 0 || n == null) return "–";
  if (n >= 1 << 20) return (n / (1 << 20)).toFixed(2) + " GiB";
  return (n / 1024).toFixed(1) + " MiB";
}
function duration(s) {
  if (s < 60) return s.toFixed(1).replace(/\.0$/, "") + "s";
  const h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
  return h ? h + "h" + m + "m" : m + "m" + Math.floor(s % 60) + "s";
}
function ago(s) {
  s = Math.round(s);
  if (s <= 0) return "now";
  return (s >= 60 ? Math.floor(s / 60) + " min " : "") + (s % 60 || s < 60 ? s % 60 + " s " : "") + "ago";
}
