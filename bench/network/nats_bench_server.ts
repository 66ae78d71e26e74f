/** A nats-server for benches: on loopback, alone, with JetStream in a folder that goes with it. */
import { natsServer } from "../../tests/lab/nats_server.ts";

export interface BenchServer {
  readonly url: string;
  /** Resident memory now, bytes. */
  memoryBytes(): Promise<number>;
  close(): Promise<void>;
}

/** Starts one. @throws when there is no nats-server, saying why */
export async function startBenchServer(): Promise<BenchServer> {
  const program = await natsServer();
  if (!program.ok) throw new Error(program.reason);
  const folder = await Deno.makeTempDir({ prefix: "submind-bench-nats-" });
  const config = `server_name: "bench"
host: 127.0.0.1
port: -1
http: "127.0.0.1:-1"
ports_file_dir: "${folder}"
max_connections: 20000
write_deadline: "30s"
jetstream { store_dir: "${folder}/js", max_mem: 64MB, max_file: 4GB }
`;
  await Deno.writeTextFile(`${folder}/nats.conf`, config);
  const child = new Deno.Command(program.path, {
    args: ["-c", `${folder}/nats.conf`, "-l", `${folder}/log`],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const ports = await portsOf(`${folder}/nats-server_${child.pid}.ports`);
  return {
    url: ports.nats[0] ?? "",
    async memoryBytes() {
      const varz = await (await fetch(`${ports.monitoring[0]}/varz`)).json() as { mem: number };
      return varz.mem;
    },
    async close() {
      child.kill("SIGKILL");
      await child.status;
      await Deno.remove(folder, { recursive: true });
    },
  };
}

async function portsOf(path: string): Promise<{ nats: string[]; monitoring: string[] }> {
  while (true) {
    try {
      const ports = JSON.parse(await Deno.readTextFile(path));
      const health = await fetch(`${ports.monitoring[0]}/healthz`);
      await health.body?.cancel();
      if (health.ok) return ports;
    } catch {
      // Not written yet, or not listening yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
