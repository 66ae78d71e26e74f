/**
 * A program for the lab: whoever connects to a Unix socket talks to a TCP port of this host. Socket files are not part of a
 * network namespace, so the test process can reach the loopback of every host. Arguments: path of the socket, port.
 */
const [path = "", port = ""] = Deno.args;

async function relay(client: Deno.Conn): Promise<void> {
  try {
    using server = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
    await Promise.all([
      client.readable.pipeTo(server.writable),
      server.readable.pipeTo(client.writable),
    ]);
  } catch {
    // One of them is gone, or nobody listens there: the client sees the end of its connection.
    try {
      client.close();
    } catch {
      // Closed by the pipe.
    }
  }
}

const listener = Deno.listen({ transport: "unix", path });
console.log("listening");
for await (const client of listener) void relay(client);
