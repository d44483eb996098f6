// The hour, by column, as the stream brings it: see wire.go.
const COLUMNS = ["at", "other", "s2xx", "s3xx", "s4xx", "s5xx", "p50", "p99", "inFlight", "permits", "inUse", "queue", "ready", "wanted", "connections", "span"];
const KEPT = 3600;

const hour = { stamps: [], memory: new Map(), live: null, wall: 0, now: 0 };
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
  hour.memory = new Map();
  for (const s of m.memory) {
    const to = series(s.id);
    undelta(s.kib).forEach((kib, i) => { to[s.from + i] = kib; });
  }
  hour.live = null;
  hour.now = m.now;
  hour.wall = m.wall;
}

function series(id) {
  let s = hour.memory.get(id);
  if (!s) hour.memory.set(id, s = new Array(hour.stamps.length).fill(-1));
  return s;
}

// takeTick adds a whole second to the hour, and keeps the moment beside it.
function takeTick(t) {
  if (t.whole) {
    COLUMNS.forEach((c, i) => { (c === "at" ? hour.stamps : hour[c]).push(t.whole[i]); });
    const pairs = new Map(t.whole[COLUMNS.length] ? pairsOf(t.whole[COLUMNS.length]) : []);
    for (const id of pairs.keys()) if (!hour.memory.has(id)) hour.memory.set(id, new Array(hour.stamps.length - 1).fill(-1));
    for (const [id, s] of hour.memory) s.push(pairs.has(id) ? pairs.get(id) : -1);
    if (hour.stamps.length > KEPT) {
      hour.stamps.shift();
      for (const c of COLUMNS) if (c !== "at") hour[c].shift();
      for (const [id, s] of hour.memory) { s.shift(); if (s.every((n) => n < 0)) hour.memory.delete(id); }
    }
  }
  hour.live = {};
  COLUMNS.forEach((c, i) => { hour.live[c] = t.live[i]; });
  hour.live.memory = new Map(pairsOf(t.live[COLUMNS.length]));
  hour.now = hour.live.at;
  hour.wall = t.wall;
}

function* pairsOf(list) {
  for (let i = 0; i < list.length; i += 2) yield [list[i], list[i + 1]];
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
  const ids = [];
  for (const [id, s] of hour.memory) {
    let seen = false;
    for (let i = first; i < n && !seen; i++) seen = s[i] >= 0;
    if (seen || hour.live && hour.live.memory.has(id)) { ids.push(id); v.memory.set(id, []); }
  }
  ids.sort((a, b) => (a || 1e12) - (b || 1e12));
  v.ids = ids;
  let bin = -1, last = 0;
  const put = (at, get, kib) => {
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
    for (const id of ids) {
      const s = v.memory.get(id), x = kib(id);
      if (fresh) s.push(x); else s[k] = Math.max(s[k], x);
    }
  };
  for (let i = first; i < n; i++) put(hour.stamps[i], (c) => hour[c][i], (id) => hour.memory.get(id)[i]);
  const live = hour.live;
  if (live && !step && live.at > (n ? hour.stamps[n - 1] : 0)) {
    put(live.at, (c) => live[c], (id) => live.memory.has(id) ? live.memory.get(id) : -1);
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
