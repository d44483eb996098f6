// The page: what is drawn, and the stream that it is drawn from.
const STEPS = ["s2xx", "s3xx", "s4xx", "s5xx", "other"];
const NAMES = { s2xx: "2xx", s3xx: "3xx", s4xx: "4xx", s5xx: "5xx", other: "1xx, none" };
const some = (list) => list.some((n) => n > 0);

const plots = [
  new Plot({
    id: "rate", title: "Requests a second", stack: true, whole: 1, format: count,
    series: (v) => STEPS.filter((c) => c !== "other" || some(v.other)).map((c) => ({ label: NAMES[c], color: c, values: v[c] })),
  }),
  new Plot({
    id: "latency", title: "Latency", log: true, format: micros, tick: (n) => micros(n).replace(/\.0+ /, " "),
    series: (v) => [{ label: "p50", color: "p50", values: v.p50 }, { label: "p99", color: "p99", values: v.p99 }],
  }),
  new Plot({
    id: "flight", title: "Requests in flight, permits of sync code", whole: 4, format: count,
    series: (v) => [
      { label: "in flight", color: "inflight", values: v.inFlight }, { label: "permits taken", color: "inuse", values: v.inUse, of: v.permits },
      { label: "wait for a permit", color: "queue", values: v.queue },
    ],
  }),
  new Plot({
    id: "memory", title: "Memory of each worker", members: true, whole: 4096, unit: 1024, format: kib, tick: (n) => kib(n).replace(/\.0+ /, " "),
    series: (v) => v.ids.map((id) => ({
      label: id ? `worker ${id}` : "others", color: id ? "m" + id % 8 : "other", dash: id && id / 8 % 2 >= 1 ? "5 3" : "", values: v.memory.get(id),
    })),
  }),
];

const page = { seconds: 300, rate: 1, paused: false, ago: 0, events: [], marks: [], shown: null };
const narrow = (name, values, otherwise) => {
  const got = new URLSearchParams(location.search).get(name);
  return values.includes(got) ? got : otherwise;
};

// Drawing: at most once a frame, and not while nobody looks.
let wanted = false;
function redraw() {
  if (wanted || page.paused || document.hidden) return;
  wanted = true;
  requestAnimationFrame(() => { wanted = false; draw(); });
}
// look takes what is shown from what there is; paused, that stays as it was.
function look() {
  const v = page.shown = view(page.seconds);
  page.wall = hour.wall;
  // By the clock of the samples: the time of day is set, and goes on while the machine sleeps.
  page.marks = page.events.map((e) => ({ at: e.at, kind: markOf(e) })).filter((m) => m.kind && m.at >= v.from && m.at <= v.to);
}

function draw() {
  if (!page.paused || !page.shown) look();
  const v = page.shown;
  const t = v.to - page.ago * 1000;
  const at = page.ago ? nearest(v.at, t) : -1;
  for (const p of plots) p.draw(v, page.marks, at);
  tiles(v);
  byId("uncounted").hidden = !v.at.length || v.s2xx.some((n) => n >= 0);
  const text = page.ago ? `${ago(page.ago)}, ${new Date(page.wall - page.ago * 1000).toLocaleTimeString()}` : "now";
  say(byId("moment-text"), text);
  set(byId("moment"), "aria-valuetext", text);
  if (v.at.length && !page.drawn) performance.mark("drawn");
  page.drawn = page.drawn || v.at.length > 0;
}

function tile(id, text, bad) {
  const e = byId(id), [n, unit] = text.split(" ");
  if (e.dataset.text === text) return;
  e.dataset.text = text;
  e.replaceChildren(n, ...(unit ? [el("small", {}, " " + text.slice(n.length + 1))] : []));
  e.classList.toggle("bad", !!bad);
}

function tiles(v) {
  const k = v.at.length - 1;
  if (k < 0) return;
  const last = (c) => v[c][k];
  const known = last("s2xx") >= 0, total = STEPS.reduce((sum, c) => sum + Math.max(0, last(c)), 0);
  tile("t-rate", known ? count(total) : "–");
  const part = total ? Math.max(0, last("s5xx")) / total * 100 : 0;
  tile("t-errors", known ? `${part > 0 && part < 10 ? part.toFixed(1) : Math.round(part)} %` : "–", part > 0);
  tile("t-p50", micros(last("p50"))); tile("t-p99", micros(last("p99")));
  tile("t-flight", count(last("inFlight")));
  tile("t-queue", count(last("queue")), last("queue") > 0);
  tile("t-workers", `${last("ready")} of ${last("wanted")}`, last("ready") < last("wanted"));
  let sum = -1;
  for (const s of v.memory.values()) if (s[k] >= 0) sum = Math.max(0, sum) + s[k];
  tile("t-memory", kib(sum));
}

// What is announced: that the link is lost or back, and that the service's state
// is another. Numbers are not.
let lost = false, state = byId("state").textContent;
function link(text, on) {
  const p = byId("link");
  say(p, text);
  set(p, "class", "link " + (on ? "on" : "off"));
  document.body.classList.toggle("lost", !on);
  lost = !on;
}

function showState(now) {
  if (now === state) return;
  state = now;
  badge(byId("state").parentElement, now);
  title();
  say(byId("told"), "The service is " + now + ".");
}

// title says nothing of the state while nobody tells us.
function title() { document.title = document.hidden ? "Tandem" : "Tandem: " + state; }

const WHY = {
  stop: "The supervisor is stopping.", upgrade: "The supervisor is being upgraded.",
  full: "Too many live pages are open.", none: "This supervisor keeps no history.",
};
let source = null, heard = 0, why = "", again = 0;

// A page that nobody sees takes no stream, which costs the supervisor work. The next
// stream begins with the hour, so that nothing is missed.
document.addEventListener("visibilitychange", () => {
  title();
  if (document.hidden) leave(); else connect();
});

function leave() {
  clearTimeout(again);
  if (source) source.close();
  source = null;
  counted = new Map();
}

function connect() {
  leave();
  if (document.hidden) return;
  heard = performance.now();
  const s = source = new EventSource("live?rate=" + page.rate);
  const on = (name, f) => s.addEventListener(name, (e) => { if (s === source) { heard = performance.now(); f(JSON.parse(e.data)); } });
  on("hour", (m) => {
    loadHour(m);
    page.events = [];
    why = "";
    link("Live", true);
    for (const e of document.querySelectorAll("#now,#plots,#requests,#events,.live")) e.hidden = e.id === "events" && !page.timeline;
    redraw();
  });
  on("tick", (t) => { takeTick(t); showState(t.state); redraw(); });
  on("status", (st) => {
    if (page.paused) return;
    showState(st.state);
    for (const k of ["version", "pid", "generation"]) say(byId(k), String(st[k]));
    say(byId("uptime"), duration(Math.floor(st.uptime)));
    showWorkers(st.workers, performance.now());
    showRequests(st.requests, st.workers.reduce((sum, w) => sum + (w.inFlight || 0), 0));
    say(byId("as-of"), new Date().toLocaleTimeString());
  });
  on("events", (list) => {
    page.timeline = true;
    byId("events").hidden = false;
    page.events = page.events.concat(list).slice(-1000);
    if (!page.paused) showEvents(page.events);
    redraw();
  });
  on("end", (reason) => { why = WHY[reason] || ""; });
  s.onerror = () => {
    if (s !== source) return;
    link((why || "Connection lost.") + " Trying again.", false);
    if (s.readyState === EventSource.CLOSED) again = setTimeout(connect, 2000); // a browser gives up at any answer but a stream
  };
}

// A connection that nobody closes may be dead all the same: there is a tick a second.
setInterval(() => {
  if (!source) return;
  const silent = performance.now() - heard;
  if (silent > 15000) { link("Connection lost. Trying again.", false); connect(); }
  else if (silent > 4000 && !lost) link("No news for some seconds.", false);
  else if (silent < 2000 && lost && source.readyState === EventSource.OPEN && !why) link("Live", true);
}, 1000);

// The controls.
function choose(name, value) {
  const input = document.querySelector(`input[name=${name}][value="${value}"]`);
  input.checked = true;
}
for (const input of document.querySelectorAll("input[name=window]")) {
  input.addEventListener("change", () => setWindow(Number(input.value)));
}
function setWindow(seconds) {
  page.seconds = seconds;
  page.ago = 0;
  const m = byId("moment");
  m.min = -seconds; m.step = seconds > 600 ? 10 : 1; m.value = 0;
  page.shown = null; // another window, paused or not
  if (page.paused) draw(); else redraw();
}
for (const input of document.querySelectorAll("input[name=rate]")) {
  input.addEventListener("change", () => { page.rate = Number(input.value); connect(); });
}
byId("pause").addEventListener("click", (e) => {
  page.paused = !page.paused;
  e.target.setAttribute("aria-pressed", String(page.paused));
  if (!page.paused) showEvents(page.events);
  redraw();
});
byId("moment").addEventListener("input", (e) => { page.ago = -Number(e.target.value); if (page.paused) draw(); else redraw(); });
for (const p of plots) {
  p.svg.addEventListener("pointermove", (e) => {
    const box = p.svg.getBoundingClientRect();
    const part = (e.clientX - box.left - EDGE.left) / (box.width - EDGE.left - EDGE.right);
    lookAt(Math.min(1, Math.max(0, part)) * page.seconds - page.seconds);
  });
  p.svg.addEventListener("pointerleave", () => lookAt(0));
}
function lookAt(n) {
  const m = byId("moment");
  m.value = n;
  page.ago = -Number(m.value);
  if (page.paused) draw(); else redraw();
}

byId("grid").append(...plots.map((p) => p.root));
const legend = { reload: "reload", crash: "crash", recycle: "recycle", upgrade: "upgrade, start", change: "scaled, stopped" };
byId("marks").append(...Object.entries(legend).map(([kind, text]) =>
  el("span", {}, svg("svg", { viewBox: "0 0 12 12", "aria-hidden": "true" }, svg("path", { class: kind, d: GLYPHS[kind] })), text)));
choose("window", narrow("window", ["300", "3600"], "300"));
choose("rate", page.rate = narrow("rate", ["1", "10"], "1"));
setWindow(Number(narrow("window", ["300", "3600"], "300")));
title();
connect();
