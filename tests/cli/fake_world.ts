/** A world for the command line in tests: arguments in, output and exit code out, a gateway that answers as told. */
import { join } from "node:path";
import pc from "picocolors";
import { writeNodeFile } from "../../cli/node_file.ts";
import type { Terminal } from "../../cli/output/terminal.ts";
import { runProgram } from "../../cli/program.ts";
import { type GatewayServerOptions, startGateway } from "../../gateway/server.ts";
import { openTokens, OWNER, type Tokens } from "../../gateway/tokens.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { systemClock } from "../../platform/system_clock.ts";
import { systemRandom } from "../../platform/system_random.ts";
import { type FakeNode as MemoryNode, fakeNode } from "../gateway/fake_node.ts";

export interface Outcome {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly environment?: Record<string, string>;
  readonly colors?: boolean;
  /** Columns of the terminal; default 100. */
  readonly width?: number;
  /** Aborted to end a command that stays. */
  readonly interrupted?: AbortSignal;
  /** Called with each line of standard output. */
  readonly onLine?: (line: string) => void;
}

let runs = 0;

/** Runs one command line without any terminal. */
export async function run(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  let [out, err] = ["", ""];
  const terminal: Terminal = {
    out: (line) => {
      out += `${line}\n`;
      options.onLine?.(line);
    },
    outBytes: (bytes) => out += new TextDecoder().decode(bytes),
    err: (line) => err += `${line}\n`,
    errRaw: (text) => err += text,
    outIsTerminal: false,
    errIsTerminal: false,
    inIsTerminal: false,
    colors: pc.createColors(options.colors ?? false),
    width: options.width ?? 100,
    ...(options.width !== undefined && { tableWidth: options.width }),
    rows: 40,
  };
  const exitCode = await runProgram({
    args,
    environment: options.environment ?? {},
    terminal: () => terminal,
    clock: systemClock(),
    // Another seed for each run: keys that make a retry harmless must differ between two calls.
    random: seededRandom(`cli tests ${runs++}`),
    interrupted: options.interrupted ?? new AbortController().signal,
    version: "1.2.3",
  });
  return { exitCode, out, err };
}

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: Record<string, string[]>;
  readonly headers: Headers;
  readonly body: string;
}

export type Answer = (seen: Seen) => Response | undefined;

export interface FakeNode {
  readonly data: string;
  readonly seen: readonly Seen[];
  /** Runs a command line on its data folder. */
  run(args: readonly string[], options?: RunOptions): Promise<Outcome>;
}

/** Runs `test` beside a gateway on loopback whose answers are given; what it does not know is a problem document. */
export async function withFakeNode(
  answer: Answer,
  test: (node: FakeNode) => Promise<void>,
): Promise<void> {
  const data = join(Deno.makeTempDirSync(), "data");
  const seen: Seen[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const url = new URL(request.url);
    const query: Record<string, string[]> = {};
    for (const [name, value] of url.searchParams) (query[name] ??= []).push(value);
    const entry: Seen = {
      method: request.method,
      path: url.pathname,
      query,
      headers: request.headers,
      body: await request.text(),
    };
    seen.push(entry);
    return answer(entry) ?? problem(404, "notFound", `nothing at ${url.pathname}`);
  });
  try {
    writeNodeFile(data, {
      pid: Deno.pid,
      gatewayUrl: `http://127.0.0.1:${server.addr.port}`,
      token: "secret-token",
      tlsCertificate: "",
    });
    await test({ data, seen, run: (args, options) => run([...args, "--data", data], options) });
  } finally {
    await server.shutdown();
    Deno.removeSync(join(data, ".."), { recursive: true });
  }
}

export interface RealGateway {
  readonly data: string;
  readonly node: MemoryNode;
  readonly tokens: Tokens;
  readonly address: string;
  run(args: readonly string[], options?: RunOptions): Promise<Outcome>;
}

/** Runs `test` beside the real gateway of a node in memory: what the command line says and what the API takes then meet. */
export async function withRealGateway(
  test: (gateway: RealGateway) => Promise<void>,
  options: Partial<GatewayServerOptions> = {},
): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "submind-cli-" });
  const data = join(folder, "data");
  const [clock, random] = [systemClock(), systemRandom()];
  const node = fakeNode();
  const tokens = await openTokens({ directory: data, clock, random });
  const log = { write: () => {} };
  const server = startGateway({ node, tokens, clock, random, log, port: 0, ...options });
  const token = await tokens.mint({ subject: OWNER, scope: "full", validMs: 3_600_000 });
  writeNodeFile(data, {
    pid: Deno.pid,
    gatewayUrl: server.address,
    token,
    tlsCertificate: "",
  });
  try {
    await test({
      data,
      node,
      tokens,
      address: server.address,
      run: (args, more) => run([...args, "--data", data], more),
    });
  } finally {
    await server.stop();
    Deno.removeSync(folder, { recursive: true });
  }
}

/** A problem document as the gateway sends it. */
export function problem(status: number, reason: string, detail: string): Response {
  return new Response(JSON.stringify({ type: "about:blank", title: "", status, reason, detail }), {
    status,
    headers: { "Content-Type": "application/problem+json" },
  });
}
