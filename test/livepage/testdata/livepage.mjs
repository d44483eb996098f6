// Looks at the live page of the supervisor at ADMIN. What happens to that, the test
// in Go does: it is asked for by a line on stdout, and answers with one on stdin.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { launch, drawn } from "./browser.mjs";

const admin = process.env.ADMIN;
const patience = 120000;
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function ask(what) {
  console.log("ask " + what);
  const { value, done } = await answers.next();
  if (done) throw new Error("nobody answers to " + what);
  return value;
}
// seconds waits until the supervisor has recorded so many more, as another reader.
async function seconds(n) {
  const over = new AbortController(), { body } = await fetch(admin + "/live", { signal: over.signal });
  let text = "";
  for await (const part of body.pipeThrough(new TextDecoderStream())) if ((text += part).split(`"whole":`).length > n) break;
  over.abort();
}
const wrong = []; // what is not as it should be, and no reason to look no further
function must(ok, text) { if (!ok) wrong.push(text); }

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
async function accessible(page, how) {
  await page.evaluate(axe); // as a debugger would: the page's policy lets no script in
  const found = await page.evaluate(async () => (await axe.run(document, { resultTypes: ["violations"] })).violations
    .map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.target + " " + n.failureSummary).join("; ")}`));
  must(found.length === 0, `axe, ${how}:\n${found.join("\n")}`);
}

const browser = await launch();
try {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: "reduce" });
  context.setDefaultTimeout(patience);
  await context.addInitScript(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (e) => window.violations.push(`${e.violatedDirective} ${e.blockedURI} ${e.sample}`));
  });
  const page = await context.newPage();
  const errors = [], elsewhere = [];
  let restarting = false;
  page.on("pageerror", (e) => errors.push(e.stack));
  page.on("console", (m) => {
    if (["error", "warning"].includes(m.type()) && !(restarting && m.text().includes("net::ERR_"))) errors.push(m.text());
  });
  page.on("request", (r) => { if (!r.url().startsWith(admin) && !r.url().startsWith("data:")) elsewhere.push(r.url()); });

  // Size, and time until the plots are drawn.
  const asked = [];
  page.on("request", (r) => asked.push(r.url()));
  const response = await page.goto(admin + "/");
  const took = await drawn(page);
  const size = (await response.body()).length;
  console.log(`drawn after ${Math.round(took)} ms, ${size} bytes`);
  must(size < 100 * 1024, `the page has ${size} bytes`);
  must(asked.filter((u) => !u.startsWith("data:")).length === 2, `it has asked for ${asked}, not for itself and its stream alone`);
  must(took < 60000, `drawn after ${took} ms`);

  // It moves under load.
  const text = (id) => page.evaluate((id) => document.getElementById(id).textContent, id);
  const plot = () => page.evaluate(() => document.querySelector("#grid svg .a").getAttribute("d"));
  await ask("load");
  await page.waitForFunction(() => Number(document.getElementById("t-rate").textContent) > 5);
  const before = await plot();
  await page.waitForFunction((d) => document.querySelector("#grid svg .a").getAttribute("d") !== d, before);
  await page.waitForFunction(() => /ms|µs/.test(document.getElementById("t-p50").textContent));
  await page.waitForFunction(() => document.querySelector("#grid svg.plot").getAttribute("aria-label").includes("2xx: now"));
  await page.waitForFunction(() => [...document.querySelectorAll("#workers-rows tr")].some((r) => Number(r.cells[4].textContent) > 0));

  // A request in flight, without its query.
  await ask("request");
  await page.waitForFunction(() => document.getElementById("requests-rows").textContent.includes("/stream/"));
  must(!(await page.content()).includes("n=1000"), "the query of a request is on the page");

  // A reload, and a crash.
  await ask("reload");
  await page.waitForFunction(() => document.getElementById("generation").textContent === "2");
  await page.waitForFunction(() => [...document.querySelectorAll("#workers-rows tr")].every((r) => r.cells[2].textContent === "2" && r.cells[1].textContent === "ready"));
  const killed = await ask("crash");
  await page.waitForFunction((id) => ![...document.querySelectorAll("#workers-rows th")].some((h) => h.textContent === id), killed);
  const told = (what) => page.waitForFunction((what) => [...document.querySelectorAll("#events-rows tr")].some((r) => r.textContent.includes(what)), what);
  await told("reload done");
  await told("by signal HUP");
  await told(`worker exited ${killed}`);
  await told("killed by SIGKILL");
  for (const mark of ["reload", "crash"]) await page.waitForSelector(`#grid svg .gl.${mark}`, { state: "attached" });
  // They stay where they are when the time of day is set.
  const moved = await page.evaluate(() => {
    const places = () => { look(); return page.marks.map((m) => m.at); };
    const before = places();
    for (const e of page.events) e.time = new Date(Date.parse(e.time) - 3600e3).toISOString();
    const after = places();
    return before.length === 0 || String(before) !== String(after) ? `from ${before} to ${after}` : "";
  });
  must(moved === "", `another time of day moves the marks ${moved}`);

  // An upgrade in place goes on with the hour, and with what has happened in it.
  const marked = await page.evaluate(() => page.marks.map((m) => m.at));
  const samples = () => page.evaluate(() => hour.stamps.length);
  const [had, first] = [await samples(), await page.evaluate(() => hour.stamps[0])];
  await ask("upgrade");
  await page.waitForFunction(() => document.getElementById("link").textContent === "Live");
  await page.waitForFunction((n) => hour.stamps.length > n, had);
  must(await page.evaluate(() => hour.stamps[0]) === first, "the hour of before the upgrade is gone");
  await told("upgrade done");
  const marks = await page.evaluate(() => { look(); return page.marks.map((m) => m.at); });
  must(marked.every((at, i) => Math.abs(marks[i] - at) < 500), `the upgrade moves the marks from ${marked} to ${marks}`);

  // A page that is hidden takes no stream, and has missed nothing when it is seen again.
  const see = (hidden) => page.evaluate((hidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    const was = source;
    document.dispatchEvent(new Event("visibilitychange"));
    return { ended: was && was.readyState === EventSource.CLOSED, title: document.title, last: hour.stamps[hour.stamps.length - 1] };
  }, hidden);
  const hid = await see(true);
  must(hid.ended && hid.title === "Tandem", `hidden it has its stream still: ${JSON.stringify(hid)}`);
  await seconds(1);
  must(await page.evaluate(() => source === null && hour.stamps[hour.stamps.length - 1]) === hid.last, "it is told something while it is hidden");
  await see(false);
  await page.waitForFunction((last) => document.title.startsWith("Tandem: ") && hour.stamps[hour.stamps.length - 1] > last, hid.last);
  must(await page.evaluate(() => hour.stamps.every((at, i) => i === 0 || at - hour.stamps[i - 1] < 5000)), "there is a gap where it was hidden");

  // By the keyboard alone.
  const reached = [];
  await page.evaluate(() => document.activeElement.blur());
  for (let i = 0; i < 40; i++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const e = document.activeElement, seen = e.matches("fieldset input") ? e.nextElementSibling : e;
      if (e === document.body) return null;
      return { name: e.id || e.name || e.getAttribute("href") || e.getAttribute("aria-label") || e.tagName, outline: getComputedStyle(seen).outlineStyle };
    });
    if (!at) break;
    must(at.outline !== "none", `the focus on ${at.name} cannot be seen`);
    reached.push(at.name);
  }
  for (const want of ["#plots", "window", "rate", "pause", "SUMMARY", "moment", "Table of requests in flight", "Table of what happened", "Table of workers", "/metrics"]) {
    must(reached.includes(want), `Tab does not reach ${want}: ${reached}`);
  }
  await page.focus("input[name=window]:checked");
  await page.keyboard.press("ArrowRight");
  await page.waitForFunction(() => document.querySelector("#grid svg.plot").getAttribute("aria-label").includes("last hour"));
  await page.keyboard.press("ArrowLeft");
  await page.focus("input[name=rate]:checked");
  await page.keyboard.press("ArrowRight");
  await page.waitForFunction(() => source.url.endsWith("rate=10") && document.getElementById("link").textContent === "Live");
  await page.waitForFunction(() => hour.live && hour.live.at !== hour.stamps[hour.stamps.length - 1]); // between two samples
  await page.keyboard.press("ArrowLeft");
  await page.focus("#moment");
  for (let i = 0; i < 5; i++) await page.keyboard.press("ArrowLeft");
  await page.waitForFunction(() => document.getElementById("moment").getAttribute("aria-valuetext").startsWith("5 s ago"));
  await page.waitForFunction(() => document.querySelector("#grid .cur").getAttribute("d") !== "");
  await page.keyboard.press("End");
  await page.focus("#pause");
  await page.keyboard.press("Enter");
  must(await page.getAttribute("#pause", "aria-pressed") === "true", "Enter does not pause");
  await page.keyboard.press("Enter");
  await page.focus("#grid summary");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#grid details[open] table caption");

  // For eyes of all kinds, and small ones.
  await accessible(page, "light");
  await page.emulateMedia({ colorScheme: "dark" });
  must(await page.evaluate(() => getComputedStyle(document.body).backgroundColor) === "rgb(16, 19, 24)", "dark is not dark");
  await accessible(page, "dark");
  await page.emulateMedia({ colorScheme: "light" });
  for (const width of [320, 360, 768]) {
    await page.setViewportSize({ width, height: 700 });
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    must(wide <= width, `at ${width} px it is ${wide} px wide`);
    const why = await page.evaluate(() => { const s = document.querySelector("#events .scroll"); return s.scrollWidth - s.clientWidth; });
    must(why <= 0, `at ${width} px ${why} px of what happened are out of sight`);
  }
  must(await page.evaluate(() => getComputedStyle(document.getElementById("state")).transitionDuration) === "0s", "it moves for who wants less motion");

  // The supervisor goes, and comes back with a history of its own.
  restarting = true;
  await ask("stop");
  await page.waitForFunction(() => document.getElementById("link").textContent.includes("Trying again"));
  must(await page.evaluate(() => document.getElementById("link").getAttribute("role") === "status"), "that is not announced");
  await ask("start");
  await page.waitForFunction(() => document.getElementById("link").textContent === "Live");
  await page.waitForFunction((first) => hour.stamps.length > 0 && hour.stamps.length < 30 && document.getElementById("generation").textContent === "1", first);

  // However many workers come and go, it keeps and draws no more of them than it tells apart.
  const many = await page.evaluate(() => {
    source.close();
    const row = (i) => [...COLUMNS.map((c) => c === "at" ? hour.now + 1000 : 0), [i + 1, 7, i + 2, 5]];
    for (let i = 0; i < 5000; i++) takeTick({ wall: 0, whole: row(i), live: row(i) });
    page.seconds = 3600;
    draw();
    const v = page.shown, k = v.at.length - 1;
    return { kept: hour.memory.flat().length, drawn: document.querySelectorAll("#grid figure:last-of-type .l").length, now: v.ids.map((id) => v.memory.get(id)[k]).reduce((sum, n) => sum + Math.max(0, n), 0), lines: LINES + 1 };
  });
  must(many.kept === 4 * 3600 && many.drawn === many.lines && many.now >= 12, `of 5000 workers it keeps and draws ${JSON.stringify(many)}`);

  // Without JavaScript.
  const plain = await (await browser.newContext({ javaScriptEnabled: false })).newPage();
  await plain.goto(admin + "/");
  must(await plain.locator("#workers-rows tr").count() >= 2, "without JavaScript there are no workers");
  must(await plain.locator("noscript p, .note").first().isVisible(), "without JavaScript the page does not say so");
  must(!(await plain.locator("#plots").isVisible()), "without JavaScript there are empty plots");

  const violations = await page.evaluate(() => window.violations);
  must(violations.length === 0, `against the policy: ${violations}`);
  must(errors.length === 0, `on the console: ${errors.join("\n")}`);
  must(elsewhere.length === 0, `asked for elsewhere: ${elsewhere}`);
  console.log(wrong.length ? "failed " + JSON.stringify(wrong.join("\n")) : "passed");
} catch (e) {
  console.log("failed " + JSON.stringify([...wrong, e.stack].join("\n")));
} finally {
  await browser.close();
  process.exit();
}
