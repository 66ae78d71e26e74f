/** A coturn on loopback, configured as `deployments/coturn` does it. */
import { join } from "node:path";
import { turnServerConfig } from "../../deployments/coturn/turnserver_conf.ts";
import { ensurePackages } from "../lab/system_packages.ts";

export const TURN_SECRET = "a secret of the tests".replaceAll(" ", "-");

/** Its TLS port is the other one and this. */
export const TLS_PORT_STEP = 1;

export interface Coturn {
  readonly port: number;
  /** What it has written so far. */
  log(): string;
  stop(): Promise<void>;
}

/** Why coturn cannot run here; null when it can. */
export async function whyNoCoturn(): Promise<string | null> {
  const ensured = await ensurePackages(["coturn"]);
  return ensured.ok ? null : ensured.reason;
}

/** Starts one; resolves when it answers. */
export async function startCoturn(
  tls?: { readonly certificate: string; readonly key: string },
): Promise<Coturn> {
  const directory = await Deno.makeTempDir({ prefix: "coturn" });
  const port = freeUdpPort();
  // Below the ports that the system gives to sockets, so that no client sits on a relayed address.
  const relayBase = 20_000 + port % 10_000;
  const config = turnServerConfig({
    realm: "turn.test",
    secret: TURN_SECRET,
    port,
    listeningIp: "127.0.0.1",
    relayPorts: [relayBase, relayBase + 200],
    stateDirectory: directory,
    allowPrivatePeers: true,
    ...(tls === undefined ? {} : { tls: { ...tls, port: port + TLS_PORT_STEP } }),
  });
  const file = join(directory, "turnserver.conf");
  await Deno.writeTextFile(file, config + "verbose\n");
  const child = new Deno.Command("turnserver", {
    args: ["-c", file],
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let text = "";
  const listening = Promise.withResolvers<void>();
  const reading = (async () => {
    for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
      text += part;
      // The TCP listener opens first; whoever asks by UDP before its listener is there takes the server for dead.
      if (/UDP listener opened/.test(text) && /admin thread|DB connection success/.test(text)) {
        listening.resolve();
      }
    }
    listening.reject(new Error(`coturn ended: ${text.slice(-500)}`));
  })();
  await listening.promise;
  return {
    port,
    log: () => text,
    async stop() {
      child.kill("SIGTERM");
      await child.status;
      await reading.catch(() => {});
      await Deno.remove(directory, { recursive: true });
    },
  };
}

function freeUdpPort(): number {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const { port } = socket.addr as Deno.NetAddr;
  socket.close();
  return port;
}
