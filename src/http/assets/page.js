// The status page: reads api/v1/status each second and shows it. Names and lines are text of clients, so they only ever
// become text nodes.
"use strict";

const PERIOD = 1000;
const SHOWN = 20; // rows of long tables
const SVG = "http://www.w3.org/2000/svg";

const byId = (id) => document.getElementById(id);

// ---- Elements and numbers ----

/** An element with properties and children; a string becomes a text node. */
function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function svg(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const fine = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

const count = (n) => (n < 100000 ? whole : short).format(n);
const rate = (n) => (n < 10 ? fine : n < 100000 ? whole : short).format(n);

function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) [n, unit] = [n / 1024, unit + 1];
  return `${fine.format(n)} ${units[unit]}`;
}

function duration(seconds) {
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const at = parts.findIndex(([length]) => seconds >= length);
  if (at < 0) return "0 s";
  const [length, unit] = parts[at];
  const rest = parts[at + 1] && Math.floor((seconds % length) / parts[at + 1][0]);
  return `${Math.floor(seconds / length)} ${unit}${rest ? ` ${rest} ${parts[at + 1][1]}` : ""}`;
}

const sum = (numbers) => numbers.reduce((all, n) => all + n, 0);
const sumOf = (counts) => sum(Object.values(counts));

// ---- Tables ----

/** A table of columns {title, isNumber, cell(row)}; a cell is a string or an element. */
function table(columns, rows, caption) {
  const made = element("table", { className: columns.length > 3 ? "wide" : "" });
  if (caption) made.append(element("caption", {}, caption));
  const side = (column) => (column.isNumber ? "n" : column.isText ? "l" : "");
  const head = columns.map((column) => element("th", { className: side(column), scope: "col" }, column.title));
  made.append(element("thead", {}, element("tr", {}, ...head)));
  const body = rows.map((row) => {
    const cells = columns.map((column) => {
      const cell = element("td", { className: side(column) }, column.cell(row));
      cell.dataset.column = column.title;
      return cell;
    });
    return element("tr", {}, ...cells);
  });
  made.append(element("tbody", {}, ...body));
  return made;
}

const more = (n, what) => (n > 0 ? [element("p", { className: "soft" }, `and ${count(n)} more ${what}`)] : []);
const none = (text) => [element("p", { className: "soft" }, text)];

/** A name above a bar as long as its share of the largest. */
function withShare(name, share) {
  const bar = element("div", { className: "share" });
  bar.style.width = `${Math.max(share * 100, 0.5)}%`;
  return element("div", {}, name, bar);
}

// ---- Sections ----

function state(status, asked) {
  const ready = status.ready
    ? element("span", { className: "good" }, "ready")
    : element("span", { className: "bad" }, "not ready: not every listener is read");
  const parts = [`${status.version}, up for ${duration(status.uptime_seconds)}, `, ready];
  if (!asked) parts.push(element("span", {}, ", waiting for lines"));
  const reload = status.reloads.last;
  if (reload && !reload.succeeded) {
    const errors = reload.errors ? `: ${reload.errors.trimEnd()}` : "";
    const since = `; the last reload failed ${duration(reload.age_seconds)} ago, and the config before it holds${errors}`;
    parts.push(element("span", { className: "bad" }, since));
  }
  byId("state").replaceChildren(...parts);
}

function tiles(status) {
  const recent = (list) => (list.length ? sum(list.slice(-5)) / Math.min(list.length, 5) : 0);
  const { minute } = status.history;
  const rejected = sumOf(status.totals.rejected);
  const dropped = sum(status.listeners.map((listener) => listener.kernel_dropped ?? 0));
  const { limits } = status;
  const used = (now, limit, format) => (limit ? `${format(now)} of ${format(limit)}` : `${format(now)}, no limit`);
  const isFull = (now, limit) => limit && now >= limit * 0.9;
  const tile = (title, value, detail, isBad) => [
    element("dt", {}, title),
    element("dd", { className: isBad ? "bad" : "" }, value, element("small", {}, detail)),
  ];
  const groups = [
    tile("Applied", `${rate(recent(minute.accepted))}/s`, `${count(sumOf(status.totals.samples))} samples in all`),
    tile("Rejected", `${rate(recent(minute.rejected))}/s`, `${count(rejected)} samples in all`, recent(minute.rejected) > 0),
    tile("Lost", `${rate(recent(minute.lost))}/s`, `${count(dropped)} packets in all`, recent(minute.lost) > 0),
    tile("Series", count(limits.series), used(limits.series, limits.series_limit, count),
      isFull(limits.series, limits.series_limit)),
    tile("Memory", bytes(limits.memory_bytes), used(limits.memory_bytes, limits.memory_limit_bytes, bytes),
      isFull(limits.memory_bytes, limits.memory_limit_bytes)),
  ];
  byId("tiles").replaceChildren(...groups.map((group) => element("div", {}, ...group)));
}

/** The next of 1, 2, 5, 10, 20 and so on that is not below `n`. */
function ceiling(n) {
  if (n <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(n));
  return [1, 2, 5, 10].map((step) => step * power).find((top) => top >= n);
}

/** Bars of 60 slots, stacked; `stacks` are {name, className, list}. */
function plot(id, slotSeconds, stacks) {
  const SLOTS = 60;
  const length = stacks[0].list.length;
  const at = (stack, slot) => (stack.list[slot - (SLOTS - length)] ?? 0) / slotSeconds;
  const slots = [...Array(SLOTS).keys()];
  const top = ceiling(Math.max(...slots.map((slot) => sum(stacks.map((stack) => at(stack, slot))))));
  const canvas = svg("svg", { viewBox: `0 0 ${SLOTS} 100`, preserveAspectRatio: "none", role: "img" });
  const unit = slotSeconds === 1 ? "s" : "min";
  for (const slot of slots) {
    let y = 100;
    for (const stack of stacks) {
      // However few there are, they are seen.
      const height = at(stack, slot) > 0 ? Math.max((at(stack, slot) / top) * 100, 2) : 0;
      y -= height;
      if (height > 0) canvas.append(svg("rect", { class: stack.className, x: slot + 0.08, y, width: 0.84, height }));
    }
    const hit = svg("rect", { class: "hit", x: slot, y: 0, width: 1, height: 100 });
    const values = stacks.map((stack) => `${rate(at(stack, slot))} ${stack.name} a second`);
    const title = svg("title", {});
    title.textContent = `${SLOTS - slot} ${unit} ago: ${values.join(", ")}`;
    hit.append(title);
    canvas.append(hit);
  }
  byId(id).replaceChildren(
    element("span", { className: "top" }, rate(top)),
    canvas,
    element("div", { className: "axis" }, element("span", {}, `${SLOTS} ${unit} ago`), element("span", {}, "now")),
  );
}

function plots({ history }) {
  for (const [name, { slot_seconds: seconds, accepted, rejected, lost }] of Object.entries(history)) {
    plot(`accepted-${name}`, seconds, [{ name: "applied", className: "accepted", list: accepted }]);
    plot(`lost-${name}`, seconds, [
      { name: "rejected", className: "rejected", list: rejected },
      { name: "dropped by the kernel", className: "lost", list: lost },
    ]);
  }
}

/** A quoted line, with its wrong character marked. */
function quoted({ text, wrong_at: wrongAt }) {
  const code = element("code", { className: "l" });
  if (text === "") code.append(element("span", { className: "soft" }, "(not kept)"));
  else if (wrongAt === null) code.append(text);
  else {
    const characters = Array.from(text);
    const wrong = characters[wrongAt] ?? "\u00a0"; // something is missing at the end
    const mark = element("mark", { title: `character ${wrongAt + 1} is wrong` }, wrong);
    code.append(characters.slice(0, wrongAt).join(""), mark, characters.slice(wrongAt + 1).join(""));
  }
  return code;
}

/** Lines, the newest first; one that came several times is shown once. */
function lineList(lines) {
  const same = (line, other) => line.text === other.text && line.listener === other.listener;
  const items = lines.filter((line, at) => lines.findIndex((other) => same(line, other)) === at).map((line) => {
    const times = lines.filter((other) => same(line, other)).length;
    const where = `${line.listener}, ${duration(line.age_seconds)} ago${times > 1 ? `, ${times} of the last ${lines.length}` : ""}`;
    return element("li", {}, quoted(line), element("span", { className: "soft" }, where));
  });
  return element("ul", { className: "lines" }, ...items);
}

function rejects(status) {
  if (!status.rejects.length && !status.unmapped.length) return none("Nothing was rejected.");
  const groups = status.rejects.map((reject) =>
    element("div", { className: "reason" },
      element("h3", {}, reject.reason, element("span", { className: "n" }, `${count(reject.samples)} samples`)),
      element("p", {}, `To mend it: ${reject.remedy}.`),
      lineList(reject.lines)));
  if (status.unmapped.length) {
    groups.push(element("div", { className: "reason" },
      element("h3", {}, "no rule", element("span", { className: "n" }, `${count(status.totals.unmapped)} samples`)),
      element("p", {}, "Applied under their own names. The newest of these names:"),
      lineList(status.unmapped)));
  }
  if (!status.quotes.served) {
    groups.unshift(element("p", { className: "soft" }, `Lines are not quoted here: ${status.quotes.why}.`));
  }
  return groups;
}

function listeners(status, before, seconds) {
  const linesBefore = new Map(before?.listeners.map((listener) => [listener.address, listener.lines]));
  const perSecond = (listener) => {
    const since = listener.lines - (linesBefore.get(listener.address) ?? listener.lines);
    return seconds > 0 ? rate(since / seconds) : "";
  };
  const optional = (n, format) => (n === null ? "" : format(n));
  const warn = (n) => (n > 0 ? element("span", { className: "bad" }, count(n)) : count(n));
  const columns = [
    { title: "address", isText: true, cell: (row) => row.address },
    { title: "lines a second", isNumber: true, cell: perSecond },
    { title: "lines", isNumber: true, cell: (row) => count(row.lines) },
    { title: "packets", isNumber: true, cell: (row) => count(row.packets) },
    { title: "received", isNumber: true, cell: (row) => bytes(row.bytes) },
    { title: "dropped by the kernel", isNumber: true, cell: (row) => optional(row.kernel_dropped, warn) },
    { title: "receive buffer", isNumber: true, cell: (row) => optional(row.receive_buffer_bytes, bytes) },
    { title: "connections", isNumber: true, cell: (row) => optional(row.connections, count) },
  ];
  return [table(columns, status.listeners)];
}

function names(status) {
  const { busiest, sampled, lines } = status.names;
  if (!busiest.length) return none("No line has arrived.");
  const sorted = [...busiest].sort((a, b) => b.per_second - a.per_second || b.lines - a.lines);
  const most = Math.max(...sorted.map((name) => name.per_second), 0.1);
  const named = (row) => row.is_metric ? row.name : element("span", {}, row.name, element("span", { className: "soft" }, " (no metric)"));
  const columns = [
    { title: "name", isText: true, cell: (row) => withShare(named(row), row.per_second / most) },
    { title: "lines a second", isNumber: true, cell: (row) => rate(row.per_second) },
    { title: "lines", isNumber: true, cell: (row) => count(row.lines) },
  ];
  const basis = sampled < lines ? `Estimated from ${count(sampled)} of ${count(lines)} lines.` : "Each line was counted.";
  const note = element("p", { className: "soft" }, `${basis} The rate is that of the last ten seconds.`);
  return [table(columns, sorted.slice(0, SHOWN)), ...more(sorted.length - SHOWN, "names"), note];
}

function families(status) {
  const { largest, left_out: leftOut } = status.families;
  if (!largest.length) return none("There are no series.");
  const columns = [
    { title: "metric", isText: true, cell: (row) => withShare(row.name, row.series / largest[0].series) },
    { title: "type", cell: (row) => row.type },
    { title: "series", isNumber: true, cell: (row) => count(row.series) },
  ];
  const rest = largest.length + leftOut - Math.min(largest.length, SHOWN);
  return [table(columns, largest.slice(0, SHOWN)), ...more(rest, "metrics")];
}

function trouble(status) {
  const bounds = ({ samples, others }) =>
    others ? `${count(samples - others)} to ${count(samples)}` : count(samples);
  const hitters = (rows, title, caption) => rows.length
    ? [table([
      { title: "name", isText: true, cell: (row) => row.name },
      { title, cell: (row) => row.reason },
      { title: "samples", isNumber: true, cell: bounds },
    ], rows, caption)]
    : [];
  const { merged } = status;
  const parts = [
    ...hitters(status.over_limit, "limit", "Over a limit"),
    ...hitters(status.conflicts, "reason", "In conflict with another metric"),
  ];
  if (merged.newest.length) {
    const columns = [
      { title: "name in the line", isText: true, cell: (row) => row.written },
      { title: "became", isText: true, cell: (row) => row.metric },
    ];
    parts.push(table(columns, merged.newest, "Became the name of another metric"));
    parts.push(...more(merged.count - merged.newest.length, "such names"));
  }
  return parts.length ? parts : none("No name is over a limit, in conflict, or one with another.");
}

function rules(status) {
  const { rules: list, left_out: leftOut, never_matched: never } = status.rules;
  if (!list.length) return none("There are no rules: each line keeps its own name.");
  const matched = (rule) => rule.resolved
    ? `${count(rule.lines)} lines`
    : element("span", { className: "badge never" }, "never matched");
  const columns = [
    { title: "rule", isNumber: true, cell: (rule) => String(rule.number) },
    { title: "pattern", isText: true, cell: (rule) => rule.pattern },
    { title: "becomes", isText: true, cell: (rule) => (rule.drop ? "dropped" : rule.name ?? "its own name") },
    { title: "from", cell: (rule) => rule.preset ?? "the file" },
    { title: "matched", isNumber: true, cell: matched },
  ];
  const all = list.length + leftOut;
  const summary = never
    ? element("p", {}, element("span", { className: "badge never" }, `${count(never)} of ${count(all)}`), " have never matched.")
    : element("p", { className: "good" }, `Each of ${count(all)} has matched.`);
  const box = element("div", { className: "scroll", tabIndex: 0 }, table(columns, list));
  return [summary, box, ...more(leftOut, "rules")];
}

function kept({ state: kept }) {
  byId("kept-section").hidden = !kept;
  if (!kept) return [];
  const age = kept.last_save_age_seconds;
  const parts = [
    [`${count(kept.arena_series)} series in an arena of ${bytes(kept.arena_bytes)} survive a kill.`],
    [age === null ? "No snapshot yet." : `The last snapshot is ${duration(age)} old.`],
    [`${count(kept.restored_series)} series went on at the start.`],
  ];
  if (kept.outside_arena_series) {
    parts.push([`${count(kept.outside_arena_series)} series are outside the arena, because it is full: a kill takes what they gained since the last snapshot.`, "bad"]);
  }
  if (kept.failed) parts.push([`${count(kept.failed)} snapshots could not be written; the log says why.`, "bad"]);
  return parts.map(([text, className]) => element("p", { className: className ?? "" }, text));
}

function relays(status) {
  byId("relay-section").hidden = !status.relays.length;
  const outcome = (word) => ({ title: `lines ${word}`, isNumber: true, cell: (row) => count(row.lines[word] ?? 0) });
  const columns = [{ title: "target", isText: true, cell: (row) => row.target }];
  return [table([...columns, ...["sent", "failed", "shed", "looped"].map(outcome)], status.relays)];
}

// ---- Updates ----

/** Shows what is new, unless the reader has text selected in it. */
function show(id, nodes) {
  const section = byId(id);
  const selection = getSelection();
  if (!selection.isCollapsed && section.contains(selection.anchorNode)) return;
  const scrolled = section.querySelector(".scroll")?.scrollTop ?? 0;
  section.replaceChildren(...nodes);
  if (scrolled) section.querySelector(".scroll").scrollTop = scrolled;
}

function showAll(status, before, seconds) {
  state(status, sum(status.listeners.map((listener) => listener.lines)) > 0);
  tiles(status);
  plots(status);
  show("rejects", rejects(status));
  show("listeners", listeners(status, before, seconds));
  show("names", names(status));
  show("families", families(status));
  show("trouble", trouble(status));
  show("rules", rules(status));
  show("kept", kept(status));
  show("relays", relays(status));
  byId("explain-section").hidden = !status.quotes.served;
  byId("live").hidden = false;
}

function notice(text) {
  byId("notice").hidden = !text;
  byId("notice").textContent = text;
}

let last = null;
let answeredAt = 0;

async function update() {
  try {
    const answer = await fetch("api/v1/status", { cache: "no-store" });
    if (!answer.ok) throw new Error(`the sidecar answered ${answer.status}`);
    const status = await answer.json();
    const now = performance.now();
    showAll(status, last, (now - answeredAt) / 1000);
    [last, answeredAt] = [status, now];
    notice("");
  } catch (error) {
    byId("live").hidden = false;
    notice(`No answer since ${duration((performance.now() - answeredAt) / 1000)}; trying again. (${error.message})`);
  }
}

async function run() {
  for (;;) {
    if (!document.hidden) await update();
    await new Promise((resolve) => setTimeout(resolve, PERIOD));
  }
}

// ---- Explain ----

function explained({ outcome, steps, omitted }) {
  const rows = steps.flatMap(({ step, text, excerpt }) => {
    const words = element("span", { className: `l ${step === "rejected" ? "rejected" : ""}` }, text);
    if (excerpt) words.append("\n", quoted({ text: excerpt.text, wrong_at: excerpt.column }));
    return [element("span", {}, step === "note" ? "" : step), words];
  });
  if (omitted) rows.push(element("span", {}), element("span", {}, `and ${count(omitted)} more steps`));
  return [
    element("div", { className: "steps" }, element("span", {}, "outcome"), element("strong", {}, outcome.replace("_", " ")), ...rows),
    element("p", { className: "soft" }, "By the rules and limits, without the series that exist. Nothing was applied."),
  ];
}

async function explain(event) {
  event.preventDefault();
  const line = byId("line").value;
  try {
    const answer = await fetch(`api/v1/explain?line=${encodeURIComponent(line)}`, { cache: "no-store" });
    if (!answer.ok) throw new Error((await answer.text()).trim());
    byId("explained").replaceChildren(...explained(await answer.json()));
  } catch (error) {
    byId("explained").replaceChildren(element("p", { className: "bad" }, error.message));
  }
}

byId("explain").addEventListener("submit", explain);
run();
