/**
 * Runs the tests: makes sure of the system packages that only tests need, runs `deno test`, two at a time, and closes with what
 * was skipped and why, what failed, and one plain line of counts. `--long` runs the suites that take longer; other arguments go to
 * `deno test`, and with paths among them only those run.
 */
import { natsServer } from "./lab/nats_server.ts";
import { ensurePackages } from "./lab/system_packages.ts";
import { allPasses, OWN_PROCESS, type Pass } from "./passes.ts";
import { SKIPPED } from "./skipped.ts";

// What the lab tests run beside us. Without them those tests say why they did not run.
const PACKAGES = [
  "iproute2",
  "iputils-ping",
  "nftables",
  "avahi-daemon",
  "avahi-utils",
  "dbus",
  "coturn",
  "conntrack",
  "miniupnpd",
  "mosquitto-clients",
  "openssl",
];

// More at once and what tests measure by the clock would no longer hold on small machines.
const AT_ONCE = Math.min(2, navigator.hardwareConcurrency);

/** A pass that takes longer hangs: the slowest takes a fifth of it beside two busy processes. */
const PASS_MS_MAX = 30 * 60_000;
/** A single file that loads the WebRTC addon takes a minute at most when the machine has nothing else to do. */
const ADDON_PASS_MS_MAX = 8 * 60_000;

interface Outcome {
  /** It took too long and was ended. */
  readonly hung: boolean;
  readonly code: number;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly reasons: readonly string[];
  /** The names of what failed, as `deno test` lists them. */
  readonly failures: readonly string[];
}

const startedMs = performance.now();
const args = [...Deno.args];
const long = args.includes("--long");
const rest = args.filter((arg) => arg !== "--long");

const chosen = rest.some((arg) => !arg.startsWith("-"));
const [first, ...waiting]: readonly Pass[] = chosen
  ? [{ paths: [], without: [] }]
  : allPasses(long);
const outcomes: Outcome[] = [];
if (chosen) await prepare();
const early = first === undefined ? Promise.resolve() : run(first);
if (!chosen) await prepare();
await Promise.all(Array.from({ length: AT_ONCE }, async (_, lane) => {
  if (lane === 0) await early;
  for (let pass = waiting.shift(); pass !== undefined; pass = waiting.shift()) await run(pass);
}));

const sum = (count: "passed" | "failed" | "skipped") =>
  outcomes.reduce((total, outcome) => total + outcome[count], 0);
const reasons = new Set(outcomes.flatMap((outcome) => outcome.reasons));
for (const reason of reasons) console.log(`${SKIPPED}${reason}`);
for (const failure of outcomes.flatMap((outcome) => outcome.failures)) {
  console.log(`Failed: ${failure}`);
}
const seconds = Math.round((performance.now() - startedMs) / 1_000);
console.log(`took ${Math.floor(seconds / 60)} min ${seconds % 60} s`);
console.log(`${sum("passed")} passed, ${sum("failed")} failed, ${sum("skipped")} skipped`);
Deno.exit(Math.max(...outcomes.map((outcome) => outcome.code)));

/** Packages and servers that only tests need. What cannot be had is said by the tests that miss it. */
async function prepare(): Promise<void> {
  const packages = await ensurePackages(PACKAGES);
  if (!packages.ok) console.error(`Some tests will not run: ${packages.reason}`);
  const nats = await natsServer();
  console.error(
    nats.ok
      ? `nats-server ${nats.version}: ${nats.path}`
      : `Some tests will not run: ${nats.reason}`,
  );
}

/**
 * Files that load the WebRTC addon get a second chance when they hang, and that is said: on a relayed path its threads can wait for each other
 * for ever when the machine is busy (libdatachannel, pull request 1630; no release of the addon has it yet). A test that fails gets none.
 */
async function run(pass: Pass): Promise<void> {
  const outcome = await runTests(pass);
  const mayHang = outcome.hung && loadsAddon(pass);
  if (mayHang) console.log(`${pass.paths.join(" ")} hung and was ended; it runs once more`);
  outcomes.push(mayHang ? await runTests(pass) : outcome);
}

function loadsAddon({ paths }: Pass): boolean {
  return paths.some((path) => OWN_PROCESS.includes(path));
}

/** One `deno test`. Its output is shown file by file, because another one may be writing at the same time. */
async function runTests(pass: Pass): Promise<Outcome> {
  const { paths, without } = pass;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["test", "--allow-all", "--no-check", ...rest],
      ...(without.length > 0 ? [`--ignore=${without.join(",")}`] : []),
      ...paths,
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let hung = false;
  const limit = setTimeout(() => {
    hung = true;
    endWithChildren(child);
  }, loadsAddon(pass) ? ADDON_PASS_MS_MAX : PASS_MS_MAX);
  const [output] = await Promise.all([show(child.stdout), show(child.stderr)]);
  const { code } = await child.status;
  clearTimeout(limit);
  const [summary = ""] = /^.*\d+ passed.* \| \d+ failed.*$/m.exec(output) ?? [];
  const count = (word: string) => Number(new RegExp(`(\\d+) ${word}`).exec(summary)?.[1] ?? 0);
  const failures = / FAILURES \n\n([^]*?)\n\n/.exec(output)?.[1] ?? "";
  return {
    hung,
    code,
    passed: count("passed"),
    failed: count("failed"),
    skipped: count("ignored"),
    reasons: [...output.matchAll(new RegExp(`^${SKIPPED}(.*)$`, "gm"))].map(([, reason = ""]) =>
      reason
    ),
    failures: code !== 0 && summary === ""
      ? [`${paths.join(" ")} ended with code ${code}`]
      : failures.split("\n").filter((line) => line.trim() !== ""),
  };
}

/** Ends a pass with the programs that it has started, which would wait for it. */
function endWithChildren(child: Deno.ChildProcess): void {
  const args = ["-KILL", "-P", String(child.pid)];
  try {
    new Deno.Command("pkill", { args, stdout: "null", stderr: "null" }).outputSync();
  } catch (error) {
    console.error(`Programs that the pass had started may be left: ${error}`);
  }
  child.kill("SIGKILL");
}

/** Writes what comes, whole files of tests at once, and gives all of it without colours. */
async function show(stream: ReadableStream<Uint8Array>): Promise<string> {
  let all = "";
  let shown = 0;
  for await (const part of stream.pipeThrough(new TextDecoderStream())) {
    all += part;
    const next = [...all.slice(shown).matchAll(/running \d+ tests? from /g)].at(-1)?.index ?? 0;
    const end = all.lastIndexOf("\n", shown + next);
    if (end > shown) {
      console.log(all.slice(shown, end));
      shown = end + 1;
    }
  }
  if (all.length > shown) console.log(all.slice(shown));
  // deno-lint-ignore no-control-regex -- colours are to be taken out
  return all.replaceAll(/\u001b\[[0-9;]*m/g, "");
}
