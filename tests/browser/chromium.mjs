// A headless Chromium, driven by the DevTools protocol through a pipe, which needs no package.

import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";

/** How long anything may take. Only a hang reaches it. */
const PATIENCE = 30_000;

/** A browser with one page. */
export class Browser {
  /** Keeps its files in a folder, whose owner removes it. */
  constructor(profile) {
    const flags = [
      "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
      "--remote-debugging-pipe", `--user-data-dir=${profile}`, "about:blank",
    ];
    const program = process.env.STATSIDECAR_CHROMIUM ?? "chromium";
    // A process group of its own, so that the end of the browser is the end of all its processes.
    this.process = spawn(program, flags, { detached: true, stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    this.process.on("error", (error) => this.fail(`cannot start ${program}: ${error.message}`));
    this.process.on("exit", (code) => this.fail(`${program} ended with ${code}`));
    this.waiting = new Map();
    this.next = 1;
    this.requests = [];
    this.complaints = [];
    let rest = "";
    this.process.stdio[4].on("data", (chunk) => {
      const messages = (rest + chunk).split("\0");
      rest = messages.pop();
      messages.forEach((message) => this.received(JSON.parse(message)));
    });
  }

  fail(why) {
    this.waiting.forEach(({ reject }) => reject(new Error(why)));
    this.waiting.clear();
  }

  received({ id, result, error, method, params }) {
    if (id) {
      const { resolve, reject } = this.waiting.get(id) ?? {};
      this.waiting.delete(id);
      return error ? reject?.(new Error(error.message)) : resolve?.(result);
    }
    if (method === "Network.requestWillBeSent") this.requests.push(params.request.url);
    if (method === "Runtime.exceptionThrown") this.complaints.push(params.exceptionDetails.exception?.description);
    if (method === "Log.entryAdded") this.complaints.push(`${params.entry.text} ${params.entry.url ?? ""}`);
    if (method === "Runtime.consoleAPICalled") {
      this.complaints.push(params.args.map((argument) => argument.value).join(" "));
    }
    if (method === "Page.loadEventFired") this.loaded?.();
  }

  send(method, params = {}) {
    const id = this.next++;
    const message = { id, method, params, sessionId: this.session };
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer to ${method}`)), PATIENCE);
      const done = (settle) => (value) => (clearTimeout(timer), settle(value));
      this.waiting.set(id, { resolve: done(resolve), reject: done(reject) });
      this.process.stdio[3].write(`${JSON.stringify(message)}\0`);
    });
  }

  async start() {
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
    this.session = (await this.send("Target.attachToTarget", { targetId, flatten: true })).sessionId;
    for (const domain of ["Page", "Runtime", "Network", "Log"]) await this.send(`${domain}.enable`);
  }

  /** The value of a script in the page. */
  async evaluate(expression) {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", {
      expression, awaitPromise: true, returnByValue: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Waits until a condition holds in the page, which is asked again at each change of the document. */
  async until(condition) {
    const wait = `new Promise((resolve, reject) => {
      const timer = setTimeout(() => (observer.disconnect(), reject(new Error("it stays false"))), ${PATIENCE - 5000});
      const check = () => {
        if (!(${condition})) return;
        clearTimeout(timer); observer.disconnect(); resolve();
      };
      const observer = new MutationObserver(check);
      observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
      check();
    })`;
    await this.evaluate(wait).catch((error) => {
      throw new Error(`${condition}: ${error.message}`);
    });
  }

  async open(url, { width = 1200, isDark = false, hasScripts = true } = {}) {
    await this.send("Emulation.setDeviceMetricsOverride", {
      width, height: 900, deviceScaleFactor: 1, mobile: width < 500,
    });
    const features = [{ name: "prefers-color-scheme", value: isDark ? "dark" : "light" }];
    await this.send("Emulation.setEmulatedMedia", { features });
    await this.send("Emulation.setScriptExecutionDisabled", { value: !hasScripts });
    const loaded = new Promise((resolve) => (this.loaded = resolve));
    await this.send("Page.navigate", { url });
    await loaded;
  }

  /** Writes a picture of the whole page. */
  async picture(path) {
    const { cssContentSize: { width, height } } = await this.send("Page.getLayoutMetrics");
    const clip = { x: 0, y: 0, width, height, scale: 1 };
    const { data } = await this.send("Page.captureScreenshot", { captureBeyondViewport: true, clip });
    writeFileSync(path, Buffer.from(data, "base64"));
  }

  async stop() {
    if (!this.process.pid) return; // it never started
    this.process.removeAllListeners("exit");
    const ended = new Promise((resolve) => this.process.on("exit", resolve));
    process.kill(-this.process.pid, "SIGKILL");
    await ended;
  }
}
