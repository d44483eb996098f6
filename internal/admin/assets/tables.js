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

// What the kinds of events are to a person, where that is more than the name says.
const KINDS = {
  "worker-ready": "worker ready", "worker-recycled": "recycle worker", "worker-hung": "worker hangs", "worker-failed": "worker could not start",
  "reload-started": "reload begins", "reload-done": "reload done", "reload-undone": "reload undone", "upgrade-started": "upgrade begins",
  "stop-asked": "stop asked for", "supervisor-lost": "supervisor was lost", "missing": "events are missing", "state": "service",
};
const EVENTS_SHOWN = 200;
const eventRows = keyedRows(byId("events-rows"), () => el("tr", {}, el("td"), el("td"), el("td", { class: "wrap" })));

// markOf is the mark of an event on the plots; "" for what comes with the others.
function markOf(e) {
  if (e.crash) return "crash";
  switch (e.kind) {
    case "reload-started": case "reload-done": case "reload-undone": return "reload";
    case "worker-killed": return "crash";
    case "worker-recycled": return "recycle";
    case "upgrade-done": case "upgrade-failed": case "supervisor-started": case "supervisor-lost": return "upgrade";
    case "scaled": case "stop-asked": case "supervisor-stopped": return "change";
  }
  return "";
}

function showEvents(list) {
  const shown = list.slice(-EVENTS_SHOWN).reverse();
  eventRows(shown, (e) => e.seq + " " + e.time, (c, e) => {
    if (c[0].firstChild) return; // an event does not change
    const time = new Date(e.time), mark = markOf(e), today = Date.now() - time < 12 * 3600e3;
    c[0].append(el("time", { datetime: e.time, title: time.toString() }, today ? time.toLocaleTimeString() : time.toLocaleString()));
    if (mark) c[1].append(svg("svg", { viewBox: "0 0 12 12", "aria-hidden": "true" }, svg("path", { class: mark, d: GLYPHS[mark] })));
    const text = (KINDS[e.kind] || e.kind.replaceAll("-", " ")) + (e.worker ? " " + e.worker : "");
    c[1].append(el(mark ? "b" : "span", {}, text), e.generation ? el("small", {}, ` generation ${e.generation}`) : "");
    c[2].append(e.cause || "", e.actor && e.actor !== "supervisor" && e.actor !== "worker " + e.worker ? el("small", {}, `${e.cause ? ", " : ""}by ${e.actor}`) : "");
    c[1].parentElement.className = mark ? "" : "minor";
  });
}
