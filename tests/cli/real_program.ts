/** The program `submind` as a process of its own, for tests that run it as people do. */
export const MAIN = new URL("../../cli/main.ts", import.meta.url).pathname;

/** The folder of the project, without a slash at the end. */
export const PROJECT = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

/** The program as a process; `env` on top of our own environment. */
export function submind(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--allow-all", MAIN, ...args],
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** Runs a command to its end. */
export async function run(args: readonly string[], env?: Readonly<Record<string, string>>) {
  const { code, stdout, stderr } = await submind(args, env).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

/** Starts a node and gives it back once it answers. Port 0 takes any. */
export async function up(data: string, { name = "Test", gatewayPort = 0 } = {}) {
  const process = submind([
    ...["up", "--json", "--no-multicast", "--data", data, "--name", name],
    ...["--gateway-port", String(gatewayPort), "--rendezvous-port", "0"],
  ]).spawn();
  const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`The node ended: ${await new Response(process.stderr).text()}`);
    text += value;
  }
  const ready = JSON.parse(text.split("\n")[0] ?? "");
  return {
    ready,
    /** @param copies how often each signal arrives: under npx and `deno task`, Ctrl-C comes twice */
    async stop(copies = 1, signal: Deno.Signal = "SIGTERM") {
      for (let copy = 0; copy < copies; copy++) process.kill(signal);
      await reader.cancel();
      await process.stderr.cancel();
      return (await process.status).code;
    },
  };
}
