// The dashboard: state once a second, requests as they happen. No library, no build step.
"use strict";

const $ = (id) => document.getElementById(id);
const text = (id, value) => { $(id).textContent = value; };
const LIVE_ROWS = 50, POINTS = 300, PAGE_ROWS = 25;
let token = sessionStorage.getItem("token") || "";
// The host that the page is about, and the address of what concerns it; without one the first host.
const host = new URLSearchParams(location.search).get("host");
const at = (path) => (host === null ? path : `${path}${path.includes("?") ? "&" : "?"}host=${encodeURIComponent(host)}`);
let shownHost = null, history = [], historyTime = 0, rules = "", clientsFrom = 0;

// ---- talking to the server

async function call(path, options = {}) {
  const headers = { ...(options.body ? { "Content-Type": "application/json" } : {}) };
  if (token) headers.Authorization = `Bearer ${token}`;
  const response = await fetch(path, { ...options, headers, cache: "no-store" });
  if (response.status === 401) { askForToken(); throw new Error("a token is needed"); }
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw new Error(problem.detail || `the server answered ${response.status}`);
  }
  return response;
}

const get = async (path) => (await call(path)).json();
const send = (method, path, body) =>
  call(path, { method, body: body === undefined ? undefined : JSON.stringify(body) });

function askForToken() { $("token-form").classList.remove("hidden"); }

function connected(is, why = "") {
  $("link").className = is ? "up" : "down";
  text("link", is ? "live" : `not connected${why ? `: ${why}` : ""}`);
}

// ---- building blocks; text from the network only ever becomes a text node

function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "on") { for (const [event, act] of Object.entries(value)) node.addEventListener(event, act); }
    else if (value !== undefined && value !== null) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined).map(String2Node));
  return node;
}
// Control characters and direction marks of a name could show it as another: they are shown as codes.
const DANGEROUS = /[\p{Cc}\u{ad}\u{61c}\u{180e}\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2060}-\u{206f}\u{feff}\u{fff9}-\u{fffb}\u{e0000}-\u{e007f}]/gu;
const harmless = (value) => String(value).replace(DANGEROUS, (character) => `\\u{${character.codePointAt(0).toString(16)}}`);
const String2Node = (child) => (child instanceof Node ? child : document.createTextNode(harmless(child)));
const cell = (value, kind) => element("td", { class: kind }, value);
const fill = (id, rows) => $(id).replaceChildren(...rows);
const time = (iso) => new Date(iso).toISOString().slice(11, 19);
const number = (value) => Number(value).toLocaleString("en");
const micros = (us) => (us === null || us === undefined ? "–" : us < 1000 ? `${us} µs` : `${(us / 1000).toFixed(1)} ms`);

// ---- state

async function refresh() {
  try {
    const [state, added] = await Promise.all([
      get(at("/api/v1/state")), get(at(`/api/v1/history?since=${historyTime}`))]);
    if (added.length) historyTime = added[added.length - 1].time_s;
    history = history.concat(added).slice(-600);
    shownHost = state.host;
    show(state);
    showHosts(await get("/api/v1/hosts"));
    await showRules();
    connected(true);
  } catch (error) {
    connected(false, error.message);
  }
}

function show(state) {
  const last = history[history.length - 1];
  text("connections", `${number(state.connections.open)} of ${number(state.connections.limit)}`);
  text("rate", last ? number(last.accepted + last.refused) : "–");
  text("service", last ? micros(last.service_p99_us) : "–");
  text("answered", number(state.requests.answered));
  text("foreign", number(state.requests.foreign_keys));
  text("rules-on", number(state.faults.enabled));
  text("sinkhole", state.sinkhole ? "SINKHOLE: everybody is refused" : "");
  showClock(state.clock);
  fill("applications", state.applications.map((application) => element("tr", {},
    cell(application.name, "name"),
    cell(application.count, "number"),
    element("td", {}, ...application.thresholds.map((threshold) => element("div", { class: application.count >= threshold.clients ? "ok" : "warn" },
      `${threshold.kind}: ${application.count} of ${threshold.clients}${application.count >= threshold.clients ? "" : " (too low)"}`))),
    cell(application.capacity, "number wide"))));
  fill("statuses", state.licence_states.map((status) => element("tr", {},
    cell(status.name, "name"), cell(status.clients, "number"),
    element("td", { class: "wide" }, element("meter", { min: 0, max: Math.max(1, state.clients), value: status.clients, "aria-label": status.name })))));
  fill("records", state.dns ? state.dns.records.map((record) => element("tr", {},
    cell(record.name, "name"), cell(record.ttl_s, "number"), cell(record.type), cell(record.data, "name")))
    : [element("tr", {}, element("td", { colspan: 4, class: "soft" }, "no embedded DNS server (--dns)"))]);
  text("journal", state.journal
    ? `${state.journal.file}, durability ${state.journal.durability}${state.journal.failure ? `, FAILED: ${state.journal.failure}` : ""}`
    : "none (--journal)");
  plots(state);
}

function showHosts(hosts) {
  $("host-section").classList.toggle("hidden", hosts.length < 2);
  fill("hosts", hosts.map((one) => element("tr", { "aria-current": one.name === shownHost ? "true" : null },
    element("td", { class: "name" }, element("a", { href: `/?host=${encodeURIComponent(one.name)}` }, one.name)),
    cell(one.listen.join(", "), "wide name"), cell(number(one.requests), "number"),
    element("td", {}, ...one.applications.map((application) => element("div", {}, `${application.name}: ${application.count}`))),
    cell(one.rules_on, "number"))));
}

function showClock(clock) {
  text("host-time", clock.time.replace("T", " ").slice(0, 19));
  text("clock-mode", clock.scale === 0 ? "frozen" : clock.scale === 1 ? "real speed" : `${clock.scale} times real speed`);
  text("clock-offset", `${clock.offset_s >= 0 ? "+" : "-"}${duration(Math.abs(clock.offset_s))} against the machine`);
}

function duration(seconds) {
  const days = Math.floor(seconds / 86400), rest = Math.round(seconds % 86400);
  const clock = [Math.floor(rest / 3600), Math.floor(rest / 60) % 60, rest % 60].map((part) => String(part).padStart(2, "0"));
  return `${days ? `${days} d ` : ""}${clock.join(":")}`;
}

// ---- plots

function plots(state) {
  const points = history.slice(-POINTS);
  const series = (name, pick) => ({ name, values: points.map(pick) });
  plot("plot-rate", points, [series("accepted", (p) => p.accepted), series("refused", (p) => p.refused), series("faults", (p) => p.faults)], "exchanges per second");
  plot("plot-service", points, [series("median", (p) => p.service_p50_us), series("99%", (p) => p.service_p99_us)], "microseconds");
  plot("plot-counts", points, state.applications.map((application, index) => series(application.name, (p) => p.counts[index] ?? null)), "clients counted",
    [...new Set(state.applications.flatMap((application) => application.thresholds.map((threshold) => threshold.clients)))]);
}

function plot(id, points, series, unit, limits = []) {
  const WIDTH = 600, HEIGHT = 190, LEFT = 44, TOP = 22, BOTTOM = 20;
  const NS = "http://www.w3.org/2000/svg";
  const make = (name, attributes, content) => {
    const node = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (content !== undefined) node.textContent = content;
    return node;
  };
  const known = series.flatMap((one) => one.values).filter((value) => value !== null && value !== undefined);
  const top = nice(Math.max(1, ...known, ...limits));
  const y = (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM);
  const x = (index) => LEFT + (index / Math.max(1, points.length - 1)) * (WIDTH - LEFT - 6);
  const svg = $(id);
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  const now = series.map((one) => `${one.name} ${one.values.at(-1) ?? "none"}`).join(", ");
  const nodes = [make("title", {}, `${unit}: ${now}`)];
  for (const part of [0, 0.5, 1]) {
    nodes.push(make("line", { class: "grid", x1: LEFT, x2: WIDTH - 6, y1: y(top * part), y2: y(top * part) }));
    nodes.push(make("text", { x: LEFT - 5, y: y(top * part) + 4, "text-anchor": "end" }, number(top * part)));
  }
  for (const limit of limits) nodes.push(make("line", { class: "limit", x1: LEFT, x2: WIDTH - 6, y1: y(limit), y2: y(limit) }));
  series.forEach((one, index) => {
    for (const run of runs(one.values)) {
      // A line of one point would not be seen.
      if (run.length === 1) nodes.push(make("circle", { class: `c${index % 4}`, cx: x(run[0][0]), cy: y(run[0][1]), r: 2.5 }));
      nodes.push(make("polyline", { class: `c${index % 4}`, fill: "none", points: run.map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(" ") }));
    }
    nodes.push(make("rect", { class: `key c${index % 4}`, x: LEFT + index * 150, y: 5, width: 9, height: 9 }));
    nodes.push(make("text", { x: LEFT + 14 + index * 150, y: 14 }, one.name));
  });
  if (points.length > 1) {
    nodes.push(make("text", { x: LEFT, y: HEIGHT - 5 }, time(points[0].time_s * 1000)));
    nodes.push(make("text", { x: WIDTH - 6, y: HEIGHT - 5, "text-anchor": "end" }, time(points.at(-1).time_s * 1000)));
  }
  svg.replaceChildren(...nodes);
}

// A gap stays a gap: no value is drawn where none was measured.
function runs(values) {
  const found = [];
  let current = [];
  values.forEach((value, index) => {
    if (value === null || value === undefined) { if (current.length) found.push(current); current = []; }
    else current.push([index, value]);
  });
  if (current.length) found.push(current);
  return found;
}

function nice(value) {
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * unit).find((step) => step >= value);
}

// ---- live requests

function requestRow(request) {
  return element("tr", { "data-number": request.number },
    cell(time(request.time)), cell(request.client ?? "–", "name"), cell(request.product ?? "–", "name"),
    cell(request.peer, "wide name"), cell(request.count ?? "–", "number"),
    element("td", { class: request.outcome === "accepted" ? "ok" : "bad" }, request.reason ?? request.outcome),
    cell(request.fault_rule ? `${request.fault_rule} (${request.fault_kind})` : "", "name"));
}

function addRequests(requests) {
  const body = $("requests");
  body.querySelector(".soft")?.closest("tr").remove();
  body.prepend(...requests.reverse().map(requestRow));
  while (body.rows.length > LIVE_ROWS) body.lastElementChild.remove();
}

async function follow() {
  for (;;) {
    try {
      const response = await call(host === null ? "/api/v1/events" : at("/api/v1/events"));
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ""; ;) {
        const { value, done } = await reader.read();
        if (done) break;
        const parts = (rest + value).split("\n\n");
        rest = parts.pop();
        const found = parts.flatMap(readEvent);
        if (found.length) addRequests(found);
      }
    } catch (error) { connected(false, error.message); }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

function readEvent(block) {
  const lines = block.split("\n");
  if (!lines.includes("event: request")) return [];
  const data = lines.filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n");
  return [JSON.parse(data)];
}

// ---- faults

async function showRules() {
  const own = `?host=${encodeURIComponent(shownHost)}`;
  const ofHost = (await get(`/api/v1/faults${own}`)).map((rule) => ({ ...rule, query: own }));
  const listed = ofHost.concat(await get("/api/v1/faults"));
  const seen = JSON.stringify(listed);
  if (seen === rules) return;
  rules = seen;
  const focus = document.activeElement?.id;
  fill("rules", listed.length ? listed.map(ruleRow)
    : [element("tr", {}, element("td", { colspan: 6, class: "soft" }, "no rules: the host behaves"))]);
  if (focus) document.getElementById(focus)?.focus();
}

function ruleRow(rule) {
  const { id, kind, stage, enabled, source, matched, applied, query = "", ...rest } = rule;
  const details = Object.entries(rest).map(([key, value]) => `${key}=${value}`).join(" ");
  const path = `/api/v1/faults/${encodeURIComponent(id)}${query}`;
  return element("tr", {},
    element("td", {}, element("button", { id: `switch-${id}`, role: "switch", "aria-checked": enabled, "aria-label": `fault ${id}`,
      on: { click: () => act("fault-message", () => send("PATCH", path, { enabled: !enabled })) } }, enabled ? "on" : "off")),
    cell(id, "name"), element("td", { class: "name" }, `${kind} at ${stage}${query ? " of this host" : ""} `, element("code", {}, details)),
    cell(matched, "number"), cell(applied, "number"),
    element("td", {}, element("button", { id: `remove-${id}`, "aria-label": `remove fault ${id}`,
      on: { click: () => act("fault-message", () => send("DELETE", path)) } }, "remove")));
}

async function act(message, change) {
  try { await change(); text(message, "done"); await refresh(); }
  catch (error) { text(message, error.message); }
}

// ---- clients

async function showClients() {
  const query = new URLSearchParams({ search: $("search").value, offset: clientsFrom, limit: PAGE_ROWS });
  const page = await get(at(`/api/v1/clients?${query}`));
  fill("clients", page.clients.map((client) => element("tr", {},
    cell(client.name ?? "–", "name"), cell(client.product ?? "–", "name"), element("td", { class: "wide" }, element("code", {}, client.cmid)),
    cell(client.licence_state ?? "–"), cell(client.address ?? "–", "wide"), cell(client.counted ? "yes" : "no"), cell(client.last_seen.replace("T", " ").slice(0, 19)))));
  text("clients-page", page.total ? `${clientsFrom + 1} to ${clientsFrom + page.clients.length} of ${page.total}` : "none");
  $("clients-back").disabled = clientsFrom === 0;
  $("clients-on").disabled = clientsFrom + page.clients.length >= page.total;
}

// ---- wiring

$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  sessionStorage.setItem("token", token);
  $("token-form").classList.add("hidden");
  refresh().then(showClients).catch(() => {});
});
$("fault-form").addEventListener("submit", (event) => {
  event.preventDefault();
  act("fault-message", async () => { await send("POST", at("/api/v1/faults"), { rule: $("fault").value }); $("fault").value = ""; });
});
$("fault-reset").addEventListener("click", () => act("fault-message", () => send("POST", "/api/v1/faults/reset")));
$("search-form").addEventListener("submit", (event) => { event.preventDefault(); clientsFrom = 0; showClients().catch(() => {}); });
$("clients-back").addEventListener("click", () => { clientsFrom = Math.max(0, clientsFrom - PAGE_ROWS); showClients().catch(() => {}); });
$("clients-on").addEventListener("click", () => { clientsFrom += PAGE_ROWS; showClients().catch(() => {}); });
for (const button of document.querySelectorAll("[data-step]")) {
  button.addEventListener("click", () => act("clock-message", () => send("PATCH", "/api/v1/clock", { step_s: Number(button.dataset.step) })));
}
$("scale-form").addEventListener("submit", (event) => {
  event.preventDefault();
  act("clock-message", () => send("PATCH", "/api/v1/clock", { scale: Number($("scale").value) }));
});
$("clock-real").addEventListener("click", () => act("clock-message", () => send("PATCH", "/api/v1/clock", { real: true })));

for (const node of document.querySelectorAll(".needs-script")) node.classList.remove("hidden");
refresh().then(showClients).catch(() => {});
setInterval(refresh, 1000);
setInterval(() => showClients().catch(() => {}), 5000);
follow();
