// The tables. A row stays the same element as long as it is of the same thing, so
// that who reads it with a screen reader does not lose the place.
function keyedRows(body, make) {
  const rows = new Map();
  for (const tr of body.rows) rows.set(tr.cells[0].textContent, tr);
  return (list, key, fill) => {
    const wanted = new Set(list.map(key));
    for (const [k, tr] of rows) if (!wanted.has(k)) { tr.remove(); rows.delete(k); }
    list.forEach((item, i) => {
      const k = key(item);
      let tr = rows.get(k);
      if (!tr) rows.set(k, tr = make());
      if (body.rows[i] !== tr) body.insertBefore(tr, body.rows[i] || null);
      fill(tr.cells, item);
    });
  };
}

const byId = (id) => document.getElementById(id);

function badge(cell, state) {
  const b = cell.firstElementChild;
  set(b, "class", "state " + state);
  say(b, state);
}

const workerRows = keyedRows(byId("workers-rows"), () => el("tr", {}, el("th", { scope: "row", class: "n" }), el("td", {}, el("span")),
  ...["n", "n", "n live", "n", "n", "n", "n", "", "n"].map((c) => el("td", { class: c }))));
let counted = new Map(); // requests of each worker when they were last told, and when

function showWorkers(workers, now) {
  const next = new Map();
  workerRows(workers, (w) => String(w.id), (c, w) => {
    const was = counted.get(w.id);
    let rate = "–";
    if (w.requests != null) {
      next.set(w.id, [w.requests, now]);
      if (was && now > was[1]) rate = count((w.requests - was[0]) * 1000 / (now - was[1]));
    }
    say(c[0], String(w.id)); badge(c[1], w.state); say(c[2], String(w.generation)); say(c[3], duration(w.age)); say(c[4], rate);
    [w.requests, w.inFlight, w.connections].forEach((n, i) => say(c[5 + i], n == null ? "–" : String(n)));
    say(c[8], w.memory == null ? "–" : kib(w.memory / 1024)); say(c[9], w.liveness); say(c[10], String(w.pid));
  });
  counted = next;
}

const requestRows = keyedRows(byId("requests-rows"), () => el("tr", {}, el("td", { class: "n" }), el("td"), el("td", { class: "wrap" }), el("td", { class: "n" })));

function showRequests(list, inFlight) {
  requestRows(list.map((r, i) => [i, r]), ([i]) => String(i), (c, [, r]) => {
    say(c[0], duration(r.age)); say(c[1], r.method); say(c[2], r.route || "(no pattern)"); say(c[3], String(r.worker));
  });
  say(byId("requests-more"), inFlight > list.length ? `${list.length} of ${inFlight}.` : inFlight === 0 ? "None now." : "");
}

// What the kinds of events are to a person, and which mark they have.
const KINDS = {};
const eventRows = keyedRows(byId("events-rows"), () => el("tr", {}, el("td"), el("td"), el("td", { class: "wrap" })));

function markOf(e) {
  const k = e.kind;
  if (k === "reload-started" || k === "reload-done" || k === "reload-undone") return "reload";
  if (k === "worker-killed" || k === "worker-hung" || k === "worker-crashed" || k === "worker-exited" && e.crash) return "crash";
  if (k === "worker-recycled") return "recycle";
  if (k.startsWith("upgrade-") || k.startsWith("supervisor-")) return "upgrade";
  return "change";
}

function showEvents(list) {
  const shown = list.slice(-100).reverse();
  eventRows(shown, (e) => String(e.seq), (c, e) => {
    if (c[0].textContent) return; // an event does not change
    const time = new Date(e.time), kind = markOf(e);
    c[0].append(el("time", { datetime: e.time, title: time.toString() }, time.toLocaleTimeString()));
    const glyph = svg("svg", { viewBox: "0 0 12 12", "aria-hidden": "true" }, svg("path", { class: kind, d: GLYPHS[kind] }));
    c[1].append(glyph, KINDS[e.kind] || e.kind.replaceAll("-", " "), e.worker ? ` ${e.worker}` : "", e.generation ? el("small", {}, ` generation ${e.generation}`) : "");
    c[2].append(e.cause || "", e.actor ? el("small", {}, `${e.cause ? " " : ""}by ${e.actor}`) : "");
  });
}
