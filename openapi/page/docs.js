"use strict";
// Shows ../openapi.json. Whatever comes from there, or from an answer, becomes text and nothing else: no markup is parsed.

const shown = 64 * 1024; // characters of an answer

// el makes an element. Properties are set, not attributes, but for those that begin with "aria-".
function el(tag, props, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (name.startsWith("aria-")) e.setAttribute(name, value);
    else e[name] = value;
  }
  e.append(...children.filter((c) => c !== null && c !== undefined && c !== ""));
  return e;
}

let api = {};

// resolve follows references; what they lead round in a circle is given up.
function resolve(thing) {
  for (let i = 0; thing && typeof thing.$ref === "string" && i < 10; i++) {
    const { $ref, ...beside } = thing;
    let target = api;
    for (const step of $ref.replace(/^#\//, "").split("/")) {
      const key = step.replace(/~1/g, "/").replace(/~0/g, "~");
      target = target && Object.hasOwn(target, key) ? target[key] : undefined;
    }
    thing = target && { ...target, ...beside };
  }
  return thing || {};
}

const refName = (s) => (s && typeof s.$ref === "string" ? s.$ref.split("/").pop() : "");

// parts tells a schema that may be null from the null that it may be.
function parts(schema) {
  const any = schema.anyOf || schema.oneOf;
  if (Array.isArray(any)) {
    const real = any.filter((s) => s.type !== "null");
    if (real.length === 1) return { schema: real[0], nullable: real.length < any.length };
  }
  if (Array.isArray(schema.type)) {
    const real = schema.type.filter((t) => t !== "null");
    return { schema: { ...schema, type: real[0] }, nullable: real.length < schema.type.length };
  }
  return { schema, nullable: false };
}

function typeOf(outer) {
  const type = plainTypeOf(outer);
  return parts(outer).nullable ? type + " or null" : type;
}

function plainTypeOf(outer) {
  const { schema } = parts(outer);
  const s = resolve(schema);
  let type = refName(schema) || s.format || s.type || "anything";
  if (s.type === "array") type = "list of " + (s.items ? plainTypeOf(s.items) : "anything");
  if (s.type === "object" && !refName(schema) && s.additionalProperties && typeof s.additionalProperties === "object") type = "map of " + plainTypeOf(s.additionalProperties);
  return s.contentEncoding || type;
}

const rules = [
  ["minimum", "at least"], ["exclusiveMinimum", "more than"], ["maximum", "at most"], ["exclusiveMaximum", "less than"],
  ["multipleOf", "a multiple of"], ["minLength", "length at least"], ["maxLength", "length at most"], ["pattern", "matches"],
  ["minItems", "items at least"], ["maxItems", "items at most"], ["minProperties", "fields at least"], ["maxProperties", "fields at most"],
  ["default", "default"],
];

function rulesOf(schema) {
  const s = resolve(parts(schema).schema);
  const said = rules.filter(([key]) => s[key] !== undefined).map(([key, words]) => words + " " + (typeof s[key] === "string" ? s[key] : JSON.stringify(s[key])));
  if (Array.isArray(s.enum)) said.push("one of " + s.enum.map((v) => JSON.stringify(v)).join(", "));
  if (s.uniqueItems) said.push("no two alike");
  if (s.readOnly) said.push("read only");
  if (s.writeOnly) said.push("write only");
  if (s.deprecated) said.push("deprecated");
  if (s.items) said.push(...rulesOf(s.items).map((r) => "each: " + r));
  return said;
}

// fieldsOf shows what is in a schema. above are the names that it is within, so that a type which contains itself ends.
function fieldsOf(outer, above) {
  const { schema } = parts(outer);
  const name = refName(schema);
  if (name && above.includes(name)) return el("span", { className: "soft" }, " (as above)");
  const s = resolve(schema);
  const within = name ? [...above, name] : above;
  if (within.length > 8) return null;
  if (s.type === "array" && s.items) return fieldsOf(s.items, within);
  const list = el("ul", { className: "schema" });
  for (const [field, value] of Object.entries(s.properties || {})) {
    list.append(el("li", {}, el("span", { className: "name" }, field), " ", el("span", { className: "soft" }, typeOf(value)),
      (s.required || []).includes(field) ? el("span", { className: "needed" }, " required") : "", wordsOf(value), fieldsOf(value, within)));
  }
  if (s.additionalProperties && typeof s.additionalProperties === "object") {
    list.append(el("li", {}, el("span", { className: "soft" }, "any name: " + typeOf(s.additionalProperties)), fieldsOf(s.additionalProperties, within)));
  }
  return list.childElementCount ? list : null;
}

function wordsOf(schema) {
  const s = { ...resolve(parts(schema).schema), ...schema };
  const said = [s.description, rulesOf(schema).join("; ")].filter(Boolean).join(" · ");
  return said ? el("span", {}, " · " + said) : "";
}

const stringsOf = { "date-time": "2026-01-31T12:00:00Z", date: "2026-01-31", time: "12:00:00", email: "ada@example.org", uuid: "00000000-0000-4000-8000-000000000000", uri: "https://example.org/", ip: "192.0.2.1", ipv4: "192.0.2.1", ipv6: "2001:db8::1", hostname: "example.org" };

// needsWords says whether only a person can tell what a schema allows.
function needsWords(outer) {
  const s = resolve(parts(outer).schema);
  const inner = s.items ? resolve(parts(s.items).schema) : {};
  return [s, inner].some((x) => x.pattern && !x.examples);
}

// exampleOf makes a value that the schema is likely to allow.
function exampleOf(outer, above) {
  const { schema, nullable } = parts(outer);
  const name = refName(schema);
  if (above.includes(name) || above.length > 8) return nullable ? null : {};
  const s = resolve(schema);
  const within = name ? [...above, name] : above;
  if (Array.isArray(s.examples) && s.examples.length) return s.examples[0];
  if (s.example !== undefined) return s.example;
  if (s.default !== undefined) return s.default;
  if (Array.isArray(s.enum) && s.enum.length) return s.enum[0];
  switch (s.type) {
    case "boolean": return true;
    case "integer": case "number": return s.minimum ?? (s.exclusiveMinimum !== undefined ? s.exclusiveMinimum + 1 : Math.min(1, s.maximum ?? 1));
    case "string": return s.contentEncoding ? "" : stringsOf[s.format] || (s.pattern ? "" : "text".padEnd(Math.min(s.minLength || 0, 99), "x").slice(0, s.maxLength ?? 99));
    case "array": return within.includes(refName(parts(s.items || {}).schema)) && !s.minItems ? [] : Array.from({ length: Math.max(1, Math.min(s.minItems || 0, 5)) }, () => exampleOf(s.items || {}, within));
    case "object": {
      const made = {};
      for (const [field, value] of Object.entries(s.properties || {})) {
        const needed = (s.required || []).includes(field);
        if (!value.readOnly && (needed || !needsWords(value))) made[field] = exampleOf(value, within);
      }
      if (s.additionalProperties && typeof s.additionalProperties === "object") made.key = exampleOf(s.additionalProperties, within);
      return made;
    }
  }
  return null;
}

const contentOf = (thing) => Object.entries(thing.content || {})[0] || [];

function parametersOf(params) {
  const list = el("dl");
  for (const p of params) {
    list.append(el("dt", {}, el("span", { className: "name" }, p.name), " ", el("span", { className: "soft" }, "in " + p.in + ", " + typeOf(p.schema || {})),
      p.required ? el("span", { className: "needed" }, " required") : ""));
    const said = [p.description, rulesOf(p.schema || {}).join("; ")].filter(Boolean).join(" · ");
    list.append(el("dd", {}, said || (p.in === "cookie" ? "" : " ")));
  }
  return list;
}

function answersOf(responses) {
  const list = el("dl");
  for (const [status, given] of Object.entries(responses || {})) {
    const answer = resolve(given);
    const [, media] = contentOf(answer);
    const fails = typeof given.$ref === "string";
    list.append(el("dt", {}, status), el("dd", {}, answer.description || "",
      media && media.schema ? el("span", { className: "soft" }, " " + typeOf(media.schema)) : "",
      media && media.schema && !fails ? fieldsOf(media.schema, []) : ""));
  }
  return list;
}

// tryForm makes the form that sends a request, and shows what came.
function tryForm(method, path, params, body) {
  const inputs = [];
  const form = el("form");
  for (const p of params) {
    const s = resolve(parts(p.schema || {}).schema);
    const choices = s.enum || (s.type === "boolean" ? [true, false] : null);
    let input;
    if (choices) {
      input = el("select", {}, ...(p.required ? [] : [el("option", { value: "" }, "")]), ...choices.map((c) => el("option", { value: String(c) }, String(c))));
    } else {
      input = el("input", { type: "text", autocomplete: "off", spellcheck: false, placeholder: s.default !== undefined ? String(s.default) : "" });
    }
    if (p.example !== undefined) input.value = String(p.example);
    else if (p.required && !choices) input.value = String(exampleOf(p.schema || {}, []) ?? "");
    input.required = p.in === "path";
    if (p.in === "cookie") {
      input.disabled = true;
      input.placeholder = "the browser sends the cookies that it has";
    }
    inputs.push([p, input]);
    form.append(el("label", {}, p.name + (s.type === "array" ? " (one or more, with commas between)" : ""), input));
  }
  let text = null, type = "";
  if (body && method !== "GET" && method !== "HEAD") {
    const [mediaType, media] = contentOf(body);
    type = mediaType || "application/json";
    text = el("textarea", { spellcheck: false, value: media && media.schema ? JSON.stringify(exampleOf(media.schema, []), null, 2) : "" });
    form.append(el("label", {}, "Body, " + type, text));
  }
  const send = el("button", { type: "submit", className: "send" }, "Send");
  const stop = el("button", { type: "button", hidden: true }, "Stop");
  const status = el("p", { role: "status" });
  const answer = el("pre", { hidden: true, tabIndex: 0, "aria-label": "Answer" });
  form.append(el("div", {}, send, " ", stop), status, answer);

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const control = new AbortController();
    stop.onclick = () => control.abort();
    stop.hidden = false;
    send.disabled = true;
    answer.hidden = true;
    status.className = "soft";
    status.textContent = "Waiting…";
    const began = performance.now();
    const took = () => Math.round(performance.now() - began) + " ms";
    try {
      const { url, headers } = addressOf(path, inputs);
      const options = { method, headers, signal: control.signal };
      if (text && text.value !== "") {
        options.body = text.value;
        headers.set("Content-Type", type);
      }
      const response = await fetch(url, options);
      const line = method + " " + url.pathname + url.search + "\n" + response.status + " " + response.statusText;
      status.className = response.ok ? "" : "bad";
      status.textContent = line + " · " + took();
      answer.hidden = false;
      answer.textContent = "";
      const whole = await showBody(response, answer, control);
      status.textContent = line + " · " + took() + whole;
    } catch (e) {
      status.className = "bad";
      status.textContent = e.name === "AbortError" ? "Stopped after " + took() : "No answer: " + e.message;
    } finally {
      stop.hidden = true;
      send.disabled = false;
    }
  });
  return form;
}

function addressOf(path, inputs) {
  const headers = new Headers();
  const query = new URLSearchParams();
  for (const [p, input] of inputs) {
    if (p.in === "path") {
      const text = p["x-tandem-rest"] ? input.value.split("/").map(encodeURIComponent).join("/") : encodeURIComponent(input.value);
      path = path.split("{" + p.name + "}").join(text);
    } else if (input.value !== "" && p.in === "query") {
      const many = parts(p.schema || {}).schema.type === "array";
      for (const value of many ? input.value.split(",") : [input.value]) query.append(p.name, value.trim());
    } else if (input.value !== "" && p.in === "header") {
      headers.set(p.name, input.value);
    }
  }
  const base = new URL("..", location.href);
  const url = new URL(base.origin + base.pathname.replace(/\/$/, "") + path);
  url.search = query.toString();
  return { url, headers };
}

// showBody shows an answer as it comes, and says what there is to say of it.
async function showBody(response, where, control) {
  if (!response.body) return "";
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    text += value;
    where.textContent = text.slice(0, shown);
    if (text.length > shown) {
      control.abort();
      return " · the first " + shown + " characters";
    }
  }
  if ((response.headers.get("Content-Type") || "").includes("json")) {
    try {
      where.textContent = JSON.stringify(JSON.parse(text), null, 2);
    } catch { /* it is shown as it came */ }
  }
  where.hidden = text === "";
  return "";
}

function operationOf(method, path, op, shared) {
  const params = [...(shared || []), ...(op.parameters || [])].map(resolve);
  const body = op.requestBody && resolve(op.requestBody);
  const [, media] = body ? contentOf(body) : [];
  const colour = op["x-tandem-colour"];
  const details = el("details", { className: "operation" + (op.deprecated ? " deprecated" : ""), id: op.operationId || "" },
    el("summary", {},
      el("span", { className: "method " + method.toLowerCase() }, method), el("span", { className: "path" }, el("code", {}, path)),
      el("span", { className: "words soft" }, (op.summary || "") + (op.deprecated ? " (deprecated)" : "")),
      colour === "async" || colour === "sync" ? el("span", { className: "badge " + colour }, colour) : ""));
  details.addEventListener("toggle", () => { // made when it is looked at
    if (!details.open || details.childElementCount > 1) return;
    const inner = el("div", {}, op.description ? el("p", {}, op.description) : "");
    if (params.length) inner.append(el("h3", {}, "Parameters"), parametersOf(params));
    if (media && media.schema) {
      inner.append(el("h3", {}, "Body"), el("p", { className: "soft" }, typeOf(media.schema) + (body.required ? "" : ", may be missing")));
      inner.append(fieldsOf(media.schema, []) || "");
    }
    inner.append(el("h3", {}, "Answers"), answersOf(op.responses));
    inner.append(el("h3", {}, "Try it"), tryForm(method, path, params, body));
    details.append(inner);
  });
  details.words = [method, path, op.summary, op.description, ...(op.tags || [])].join(" ").toLowerCase();
  return details;
}

const methods = ["get", "post", "put", "patch", "delete", "head", "options", "trace"];

function show() {
  document.title = api.info.title;
  document.getElementById("title").replaceChildren(api.info.title + " ", el("small", {}, api.info.version));
  const about = document.getElementById("about");
  about.textContent = api.info.description || "";
  about.hidden = !api.info.description;
  const groups = new Map();
  for (const [path, item] of Object.entries(api.paths || {})) {
    for (const method of methods) {
      const op = item[method];
      if (!op) continue;
      const tag = (op.tags || [])[0] || "";
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operationOf(method.toUpperCase(), path, op, item.parameters));
    }
  }
  const main = document.getElementById("operations");
  for (const [tag, ops] of [...groups].sort(([a], [b]) => (a === "") - (b === "") || a.localeCompare(b))) {
    main.append(el("section", { "aria-label": tag || "Operations" }, groups.size > 1 ? el("h2", {}, tag || "Others") : "", ...ops));
  }
  const filter = document.getElementById("filter");
  const count = document.getElementById("count");
  filter.addEventListener("input", () => {
    const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let n = 0;
    for (const section of main.children) {
      let some = false;
      for (const op of section.querySelectorAll(".operation")) {
        op.hidden = !wanted.every((w) => op.words.includes(w));
        some = some || !op.hidden;
        n += op.hidden ? 0 : 1;
      }
      section.hidden = !some;
    }
    count.textContent = wanted.length ? n + " shown" : "";
  });
  const open = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.classList.contains("operation")) {
      target.open = true;
      target.scrollIntoView();
    }
  };
  addEventListener("hashchange", open);
  open();
}

(async () => {
  try {
    const response = await fetch("../openapi.json");
    if (!response.ok) throw new Error("the server answers " + response.status);
    api = await response.json();
    show();
  } catch (e) {
    const about = document.getElementById("about");
    about.className = "bad";
    about.hidden = false;
    about.textContent = "The description cannot be read: " + e.message;
  }
})();
