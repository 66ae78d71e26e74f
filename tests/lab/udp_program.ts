/**
 * Asks over UDP what a router does. `echo PORT` answers every datagram with its sender's address. `ask PORT SERVER…` asks each server
 * from one socket, prints a JSON line of the addresses they saw, then one line for everything else that comes.
 */
const ECHO_PORT = 9_000;
const ANSWER_MS = 1_000;
const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

const [mode = "", port = "", ...servers] = Deno.args;

if (mode === "echo") {
  const socket = Deno.listenDatagram({ port: ECHO_PORT, hostname: "0.0.0.0", transport: "udp" });
  console.log("listening");
  for await (const [, from] of socket) {
    const { hostname, port } = from as Deno.NetAddr;
    await socket.send(encode(`${hostname}:${port}`), from);
  }
} else if (mode === "poke") {
  // One datagram to each "host:port".
  const socket = Deno.listenDatagram({ port: Number(port), hostname: "0.0.0.0", transport: "udp" });
  for (const target of servers) {
    const [hostname = "", to = ""] = target.split(":");
    await socket.send(encode("poke"), { transport: "udp", hostname, port: Number(to) });
  }
  socket.close();
} else {
  const socket = Deno.listenDatagram({ port: Number(port), hostname: "0.0.0.0", transport: "udp" });
  const heard = new Map<string, string>();
  let answered: () => void = () => {};
  (async () => {
    for await (const [bytes, from] of socket) {
      const { hostname } = from as Deno.NetAddr;
      const text = decode(bytes);
      if (text === "poke") console.log(`poked by ${hostname}`);
      else heard.set(hostname, text);
      answered();
    }
  })();
  const seen: (string | null)[] = [];
  for (const hostname of servers) {
    await socket.send(encode("who am I?"), { transport: "udp", hostname, port: ECHO_PORT });
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ANSWER_MS);
      answered = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    seen.push(heard.get(hostname) ?? null);
  }
  console.log(JSON.stringify(seen));
}
