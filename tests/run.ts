/**
 * Runs the tests: makes sure of the system packages that only tests need, runs `deno test`, and closes with one plain line of
 * counts. `--long` runs the suites that take longer; other arguments go to `deno test`.
 */
import { natsServer } from "./lab/nats_server.ts";
import { ensurePackages } from "./lab/system_packages.ts";

// What the lab tests run beside us. Without them those tests say why they did not run.
const PACKAGES = [
  "iproute2",
  "iputils-ping",
  "nftables",
  "avahi-daemon",
  "avahi-utils",
  "dbus",
  "coturn",
  "miniupnpd",
];

/**
 * Each of these has a process of its own. `deno test` gives every file a new isolate, and the WebRTC addon, loaded a second
 * time, calls back into the first one, which is gone: Deno then panics.
 */
const OWN_PROCESS = [
  "tests/bench/benches_test.ts",
  "tests/platform/turn_test.ts",
  "tests/platform/webrtc_transport_test.ts",
];
const LONG = "tests/long";

interface Counts {
  passed: number;
  failed: number;
  ignored: number;
}

const args = [...Deno.args];
const long = args.includes("--long");
const rest = args.filter((arg) => arg !== "--long");

const packages = await ensurePackages(PACKAGES);
if (!packages.ok) console.error(`Some tests will not run: ${packages.reason}`);
const nats = await natsServer();
console.error(
  nats.ok ? `nats-server ${nats.version}: ${nats.path}` : `Some tests will not run: ${nats.reason}`,
);

const chosen = rest.some((arg) => !arg.startsWith("-"));
const apart = [...OWN_PROCESS, ...(long ? [] : [LONG])];
const passes = chosen ? [rest] : [
  [...rest, `--ignore=${apart.join(",")}`, "tests/"],
  ...OWN_PROCESS.map((file) => [...rest, file]),
];

const total: Counts = { passed: 0, failed: 0, ignored: 0 };
let worstCode = 0;
for (const pass of passes) {
  const { code, counts } = await runTests(pass);
  worstCode = Math.max(worstCode, code);
  total.passed += counts.passed;
  total.failed += counts.failed;
  total.ignored += counts.ignored;
}
console.log(`${total.passed} passed, ${total.failed} failed, ${total.ignored} skipped`);
Deno.exit(worstCode);

/** One `deno test`, shown as it runs; the counts are read from its closing line. */
async function runTests(
  args: readonly string[],
): Promise<{ readonly code: number; readonly counts: Counts }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "--allow-all", "--no-check", ...args],
    stdout: "piped",
    stderr: "inherit",
    env: long ? { SUBMIND_TEST_LONG: "1" } : {},
  }).spawn();
  let tail = "";
  const decoder = new TextDecoder();
  for await (const part of child.stdout) {
    Deno.stdout.writeSync(part);
    tail = (tail + decoder.decode(part, { stream: true })).slice(-4096);
  }
  const { code } = await child.status;
  // deno-lint-ignore no-control-regex -- colours are to be taken out
  const plain = tail.replaceAll(/\u001b\[[0-9;]*m/g, "");
  const summary =
    /(\d+) passed[^\n]*$/m.exec(plain.slice(plain.lastIndexOf("\n", plain.lastIndexOf(" passed"))))
      ?.[0] ?? "";
  const count = (word: string) => Number(new RegExp(`(\\d+) ${word}`).exec(summary)?.[1] ?? 0);
  return {
    code,
    counts: { passed: count("passed"), failed: count("failed"), ignored: count("ignored") },
  };
}
