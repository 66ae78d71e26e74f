/**
 * Runs the tests: makes sure of the system packages that only tests need, runs `deno test`, and closes with one plain line of
 * counts. `--long` runs the suites that take longer; other arguments go to `deno test`.
 */
import { ensurePackages } from "./lab/system_packages.ts";

// What the lab tests run beside us. Without them those tests say why they did not run.
const PACKAGES = ["iproute2", "iputils-ping", "avahi-daemon", "avahi-utils", "dbus"];

const args = [...Deno.args];
const long = args.includes("--long");
const rest = args.filter((arg) => arg !== "--long");

const packages = await ensurePackages(PACKAGES);
if (!packages.ok) console.error(`Some tests will not run: ${packages.reason}`);

const folders = rest.some((arg) => !arg.startsWith("-")) ? [] : ["tests/"];
const ignored = long ? [] : ["--ignore=tests/long"];
const child = new Deno.Command(Deno.execPath(), {
  args: ["test", "--allow-all", "--no-check", ...ignored, ...rest, ...folders],
  stdout: "piped",
  stderr: "inherit",
  env: long ? { SUBMIND_TEST_LONG: "1" } : {},
}).spawn();

// The summary is read from what passes by, so that whoever watches sees tests as they end.
let tail = "";
const decoder = new TextDecoder();
for await (const part of child.stdout) {
  Deno.stdout.writeSync(part);
  tail = (tail + decoder.decode(part, { stream: true })).slice(-4096);
}
const { code } = await child.status;

// deno-lint-ignore no-control-regex -- colours are to be taken out
const plain = tail.replaceAll(/\u001b\[[0-9;]*m/g, "");
const count = (word: string) => Number(new RegExp(`(\\d+) ${word}`).exec(plain.slice(plain.lastIndexOf(" passed") - 12))?.[1] ?? 0);
console.log(`${count("passed")} passed, ${count("failed")} failed, ${count("ignored")} skipped`);
Deno.exit(code);
