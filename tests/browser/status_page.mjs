// Reads the status page of a running sidecar as people do. Arguments: its HTTP address, its UDP port, a folder for
// pictures, and a folder for the files of the browser. Each check that fails is printed, and makes the exit code 1.

import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { join } from "node:path";

import { Browser } from "./chromium.mjs";

const [address, udpPort, folder, profile] = process.argv.slice(2);
const url = `http://${address}/`;
const socket = createSocket("udp4");
const send = (...lines) =>
  new Promise((resolve, reject) =>
    socket.send(lines.join("\n"), Number(udpPort), "127.0.0.1", (error) => (error ? reject(error) : resolve())));

const text = (id) => `document.getElementById(${JSON.stringify(id)}).innerText`;
const has = (id, part) => `${text(id)}.includes(${JSON.stringify(part)})`;

const HOSTILE = `<img src=x onerror=window.hacked=1>`;
const SCRIPT = `<script>window.hacked=1</script>`;

const browser = new Browser(profile);

async function loads() {
  await browser.open(url);
  await browser.until(`!document.getElementById("live").hidden`);
  await browser.until(has("state", "ready"));
  assert.match(await browser.evaluate(text("rejects")), /Nothing was rejected/);
  assert.match(await browser.evaluate(text("rules")), /2 of 2 have never matched/);
}

async function followsLinesAsTheyArrive() {
  for (let n = 1; n <= 3; n++) {
    await send("jobs.a.done:1|c", "requests:1|c");
    await browser.until(has("tiles", `${2 * n} samples in all`));
  }
  await browser.until(has("names", "jobs_done"));
  await browser.until(has("rules", "1 of 2 have never matched"));
  await browser.until(`document.querySelectorAll("#accepted-minute rect.accepted").length > 0`);
  assert.match(await browser.evaluate(text("families")), /requests_total/);
  await browser.until(has("kept", "2 series in an arena of 128 KiB survive a kill"));
  assert.match(await browser.evaluate(text("kept")), /0 series went on at the start/);
}

async function showsWhatIsWrong() {
  await send("queue:5x|g", "requests:1|g", "a.b:1|c", "a/b:1|c", "cut:1");
  await browser.until(has("rejects", "bad_value"));
  const marked = `[...document.querySelectorAll("#rejects li")].map((line) =>
    [line.querySelector("code").textContent, line.querySelector("mark")?.textContent])`;
  const lines = Object.fromEntries(await browser.evaluate(marked));
  assert.equal(lines["queue:5x|g"], "x");
  assert.equal(lines["cut:1\u00a0"], "\u00a0", "what is missing is marked behind the line");
  await browser.until(has("trouble", "a/b"));
  assert.match(await browser.evaluate(text("rejects")), /To mend it: write a finite decimal number/);
}

async function takesNoNameForMarkup() {
  await send(`${HOSTILE}:1x|c`, `${SCRIPT}:1|q`, `${HOSTILE}.ok:1|c`, `requests:1|g|#${HOSTILE}`);
  await browser.until(has("rejects", HOSTILE));
  await browser.until(has("rejects", SCRIPT));
  await browser.evaluate(`document.getElementById("line").value = ${JSON.stringify(`${HOSTILE}:1|c|#k:${SCRIPT}`)}`);
  await browser.evaluate(`document.getElementById("explain").requestSubmit()`);
  await browser.until(has("explained", HOSTILE));
  assert.equal(await browser.evaluate(`document.querySelectorAll("main img, main script, main [onerror]").length`), 0);
  assert.equal(await browser.evaluate(`typeof window.hacked`), "undefined");
}

async function explainsALine() {
  const explain = async (line) => {
    await browser.evaluate(`document.getElementById("explained").replaceChildren()`);
    await browser.evaluate(`document.getElementById("line").value = ${JSON.stringify(line)}`);
    await browser.evaluate(`document.getElementById("explain").requestSubmit()`);
    await browser.until(`${text("explained")} !== ""`);
    return browser.evaluate(text("explained"));
  };
  assert.match(await explain("jobs.x.done:+2|c|@0.5"), /jobs_done\{job="x"\}/);
  assert.match(await explain("a:1&2|c"), /bad_value/);
  assert.equal(await browser.evaluate(`document.querySelector("#explained mark").textContent`), "&");
}

async function fitsAPhone() {
  for (const isDark of [false, true]) {
    await browser.open(url, { width: 400, isDark });
    await browser.until(has("rejects", "bad_value"));
    assert.equal(await browser.evaluate(`document.documentElement.scrollWidth`), 400);
    await browser.picture(join(folder, `phone-${isDark ? "dark" : "light"}.png`));
    await browser.open(url, { isDark });
    await browser.until(has("rejects", "bad_value"));
    await browser.picture(join(folder, `wide-${isDark ? "dark" : "light"}.png`));
  }
  const colours = `(() => { const { backgroundColor, color } = getComputedStyle(document.body); return backgroundColor + color; })()`;
  const dark = await browser.evaluate(colours);
  await browser.open(url);
  assert.notEqual(await browser.evaluate(colours), dark);
}

async function worksWithoutScripts() {
  await browser.open(url, { hasScripts: false });
  const body = await browser.evaluate(`document.body.innerText`);
  for (const part of ["Listeners", `udp://127.0.0.1:${udpPort}`, "bad_value", HOSTILE, "jobs.*.done", "bytes of the arena"]) {
    assert.ok(body.includes(part), `without scripts there is no ${part} in\n${body}`);
  }
  assert.equal(await browser.evaluate(`document.querySelectorAll("main img, main script").length`), 0);
}

function asksNobodyElse() {
  assert.deepEqual(browser.complaints, [], "the console stays empty");
  const elsewhere = browser.requests.filter((request) => !request.startsWith(url));
  assert.deepEqual(elsewhere, [], "nothing else is asked");
  assert.ok(browser.requests.some((request) => request === `${url}api/v1/status`));
}

const CHECKS = [
  loads, followsLinesAsTheyArrive, showsWhatIsWrong, takesNoNameForMarkup, explainsALine, fitsAPhone, worksWithoutScripts,
  asksNobodyElse,
];

try {
  await browser.start();
  for (const check of CHECKS) {
    await check();
    console.log(`ok ${check.name}`);
  }
} catch (error) {
  console.log(`FAILED: ${error.stack}\nthe console: ${JSON.stringify(browser.complaints)}`);
  process.exitCode = 1;
} finally {
  socket.close();
  await browser.stop();
}
