"use strict";

const at = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const exact = new Intl.NumberFormat("en", { maximumFractionDigits: 4 });
const LOW = 0.15;
const rows = new Map();
const panels = new Map();
let panelsMade = 0;
let isPaused = false;
let last = null;

function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, "0")} s`;
  return `${Math.floor(s / 3600)} h ${String(Math.floor((s % 3600) / 60)).padStart(2, "0")} min`;
}

function bar(label, share, isLow) {
  const outer = make("div", isLow ? "bar low" : "bar");
  const percent = Math.round(100 * Math.min(Math.max(share, 0), 1));
  outer.setAttribute("role", "meter");
  outer.setAttribute("aria-label", label);
  outer.setAttribute("aria-valuemin", "0");
  outer.setAttribute("aria-valuemax", "100");
  outer.setAttribute("aria-valuenow", String(percent));
  outer.append(make("div"));
  outer.firstChild.style.width = `${percent}%`;
  return outer;
}

function doing(call) {
  const attempt = call.attempts > 1 ? `, attempt ${call.attempts}` : "";
  if (call.phase === "queued" || call.phase === "waiting") {
    return call.wait_left ? `${call.phase}, ${duration(call.wait_left)} left` : call.phase;
  }
  if (call.phase === "connecting" || call.phase === "resuming") return call.phase + attempt;
  return call.phase === "stalled" ? `stalled for ${duration(call.in_phase)}` : call.phase;
}

function ahead(call) {
  if (call.percent === null) return "";
  const expected = call.expected;
  const most = expected && expected.kind === "ceiling";
  const range = expected && expected.kind === "learned"
    ? ` of about ${[...new Set([expected.low, expected.high])].map((one) => whole.format(one)).join("-")}` : "";
  const of = most ? " of max_tokens" : range;
  const left = call.eta === null ? "" : `, ${most ? "at most" : "about"} ${duration(call.eta)} left`;
  return `${whole.format(call.percent)} %${of}${left}`;
}

function cell(text, small, label) {
  const made = make("td", label ? "number" : "", text);
  if (label) made.dataset.label = label;
  if (small) made.append(make("small", "", small));
  return made;
}

function fillCall(row, call, process) {
  const told = JSON.stringify([call, process]);
  if (row.dataset.told === told) return;
  row.dataset.told = told;
  const phase = make("td");
  const said = make("span", "phase", doing(call));
  said.dataset.phase = call.phase;
  phase.append(said);
  if (call.reason) phase.append(make("small", "", call.reason));
  const progress = make("td");
  if (call.percent !== null) {
    progress.append(ahead(call), bar(`progress of call ${call.call}`, call.percent / 100, false));
  }
  const whose = [call.caller, process].filter(Boolean).join(", ");
  row.replaceChildren(
    cell(call.model || "no model", `${call.call}, ${whose}`),
    phase,
    cell(whole.format(call.tokens), "", "tokens"),
    cell(call.rate === null ? "" : whole.format(call.rate), "", "tokens/s"),
    progress,
    cell(String(Math.max(call.attempts, 1)), "", "attempt"),
    cell(duration(call.elapsed), "", "for"),
  );
}

function showCalls(processes) {
  const seen = new Set();
  let more = 0;
  let number = 0;
  for (const { process, calls, more: others } of processes) {
    more += others;
    for (const call of calls) {
      const key = `${process} ${call.call}`;
      seen.add(key);
      if (!rows.has(key)) {
        rows.set(key, make("tr"));
        at("rows").append(rows.get(key));
      }
      fillCall(rows.get(key), call, process);
      number += 1;
    }
  }
  for (const [key, row] of rows) {
    if (seen.has(key)) continue;
    row.remove();
    rows.delete(key);
  }
  say(at("count"), number + more ? String(number + more) : "");
  at("calls-frame").hidden = number === 0;
  at("none").hidden = number !== 0;
  say(at("none"), "No call runs at this moment.");
  at("more").hidden = more === 0;
  say(at("more"), `and ${whole.format(more)} more`);
}

function gauge(told) {
  const made = make("li");
  const head = make("div", "head");
  const format = told.unit === "dollars" ? exact : whole;
  head.append(make("span", "", told.label));
  const unit = told.label.endsWith(told.unit) ? "" : ` ${told.unit}`;
  head.append(make("span", "", `${format.format(told.left)} of ${format.format(told.limit)}${unit} left`));
  const share = told.limit > 0 ? told.left / told.limit : 0;
  made.append(head, bar(`left of ${told.label}`, share, share < LOW));
  if (told.note) made.append(make("small", "", told.note));
  return made;
}

function tableOf(panel) {
  const table = make("table");
  const head = make("tr");
  const isNumber = panel.columns.map((_, place) => panel.rows.some((row) => typeof row[place] === "number"));
  panel.columns.forEach((name, place) => {
    const made = make("th", isNumber[place] ? "number" : "", name);
    made.scope = "col";
    head.append(made);
  });
  const body = make("tbody");
  for (const row of panel.rows) {
    const made = make("tr");
    row.forEach((value, place) => {
      const text = value === null ? "–" : typeof value === "number" ? exact.format(value) : value;
      made.append(make("td", isNumber[place] ? "number" : "", text));
    });
    body.append(made);
  }
  table.append(make("thead"), body);
  table.tHead.append(head);
  return table;
}

function newPanel(title) {
  const section = make("section");
  const heading = make("h2", "", title);
  heading.id = `panel-${panelsMade++}`;
  const frame = make("div", "frame");
  frame.tabIndex = 0;
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-labelledby", heading.id);
  section.append(heading, make("ul", "gauges"), frame, make("p", "note"));
  at("panels").append(section);
  return section;
}

function showPanels(told) {
  const seen = new Set();
  for (const [place, panel] of told.entries()) {
    const key = `${place} ${panel.title}`;
    seen.add(key);
    if (!panels.has(key)) panels.set(key, newPanel(panel.title));
    const section = panels.get(key);
    const text = JSON.stringify(panel);
    if (section.dataset.told === text) continue;
    section.dataset.told = text;
    const [, gauges, frame, note] = section.children;
    gauges.replaceChildren(...panel.gauges.map(gauge));
    gauges.hidden = panel.gauges.length === 0;
    frame.replaceChildren(...(panel.rows.length ? [tableOf(panel)] : []));
    frame.hidden = panel.rows.length === 0;
    say(note, [panel.note, panel.more ? `and ${panel.more} more` : ""].filter(Boolean).join(" "));
    note.hidden = note.textContent === "";
  }
  for (const [key, section] of panels) {
    if (seen.has(key)) continue;
    section.remove();
    panels.delete(key);
  }
}

function showAlerts(told) {
  const alerts = told.panels.filter((panel) => panel.alert).map((panel) => `${panel.title}: ${panel.alert}`);
  if (told.failure) alerts.unshift(told.failure);
  const text = JSON.stringify(alerts);
  if (at("alerts").dataset.told === text) return;
  at("alerts").dataset.told = text;
  at("alerts").replaceChildren(...alerts.map((alert) => make("li", "", alert)));
}

function show(told) {
  showAlerts(told);
  showCalls(told.processes);
  showPanels(told.panels);
}

function state(name, text) {
  document.body.dataset.state = name;
  at("state").dataset.state = name;
  say(at("state"), text);
  at("gone").hidden = name !== "gone";
}

function live() {
  state("live", isPaused ? "paused" : "live");
}

const events = new EventSource("events");
events.onmessage = (event) => {
  last = JSON.parse(event.data);
  live();
  if (!isPaused) show(last);
};
events.onerror = () => {
  const when = last ? ` What it last told, at ${new Date(1000 * last.now).toLocaleTimeString()}, is below.` : "";
  say(at("gone"), `The server is gone: run seawall watch again, and open the address that it tells.${when}`);
  state("gone", "gone");
};
at("pause").addEventListener("click", () => {
  isPaused = !isPaused;
  at("pause").setAttribute("aria-pressed", String(isPaused));
  say(at("pause"), isPaused ? "Go on" : "Pause");
  if (document.body.dataset.state !== "gone") live();
  if (!isPaused && last) show(last);
});
