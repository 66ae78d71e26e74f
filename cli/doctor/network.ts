/** Examinations of the network: ports, interfaces, multicast, WebRTC. */
import dgram from "node:dgram";
import { errorText } from "../../platform/error_text.ts";
import type { CommandContext } from "../command.ts";
import type { Finding } from "./finding.ts";

/** Whether a port can be listened on. */
export function examinePort(
  context: CommandContext,
  name: "gatewayPort" | "rendezvousPort",
  place: { readonly host: string; readonly port: number },
): Finding {
  const texts = context.texts.doctor;
  const detail = `${place.host} ${place.port}`;
  try {
    Deno.listen({ hostname: place.host, port: place.port }).close();
    return { name, state: "ok", detail, fix: "" };
  } catch (error) {
    const key = name === "gatewayPort" ? "gateway.port" : "rendezvous.port";
    const cause = errorText(error);
    return { name, state: "failed", detail: `${detail}: ${cause}`, fix: texts.portFix(key) };
  }
}

/** Which addresses others could reach us at. */
export function examineInterfaces(context: CommandContext): Finding {
  const texts = context.texts.doctor;
  const addresses = Deno.networkInterfaces()
    .filter((entry) => !entry.address.startsWith("127.") && entry.address !== "::1")
    .map((entry) => `${entry.name} ${entry.address}`);
  if (addresses.length > 0) {
    return { name: "interfaces", state: "ok", detail: addresses.join(", "), fix: "" };
  }
  const fix = texts.noInterfacesFix;
  return { name: "interfaces", state: "warning", detail: texts.noInterfaces, fix };
}

/** Where multicast DNS lives (RFC 6762, section 3). */
const MDNS_ADDRESS = "224.0.0.251";
/** A group for this test alone, from the organisation-local scope (RFC 2365). */
const TEST_ADDRESS = "239.255.74.63";
const ANSWER_WITHIN_MS = 1_000;

/** Whether a multicast packet that we send comes back to us, on any interface. */
export async function examineMulticast(context: CommandContext): Promise<Finding> {
  const texts = context.texts.doctor;
  const addresses = Deno.networkInterfaces()
    .filter((entry) => entry.family === "IPv4")
    .map((entry) => entry.address);
  const heard: string[] = [];
  const failures: string[] = [];
  await Promise.all(addresses.map(async (address) => {
    const outcome = await multicastLoop(context, address);
    if (outcome === "heard") heard.push(address);
    else failures.push(`${address}: ${outcome}`);
  }));
  const outside = heard.filter((address) => !address.startsWith("127."));
  if (outside.length > 0) {
    return { name: "multicast", state: "ok", detail: outside.join(", "), fix: "" };
  }
  const detail = heard.length > 0 ? texts.multicastLocal : texts.noMulticast(failures.join("; "));
  return { name: "multicast", state: "warning", detail, fix: texts.noMulticastFix(MDNS_ADDRESS) };
}

function multicastLoop(context: CommandContext, address: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = dgram.createSocket({ type: "udp4", reuseAddr: true });
    let ended = false;
    const end = (outcome: string) => {
      if (ended) return;
      ended = true;
      cancel();
      try {
        socket.close();
      } catch {
        // It never opened: that is the outcome already.
      }
      resolve(outcome);
    };
    const cancel = context.clock.schedule(
      ANSWER_WITHIN_MS,
      () => end(context.texts.doctor.unheard),
    );
    socket.on("error", (error: Error) => end(error.message));
    socket.on("message", () => end("heard"));
    socket.bind(0, () => {
      try {
        socket.addMembership(TEST_ADDRESS, address);
        socket.setMulticastInterface(address);
        socket.setMulticastLoopback(true);
        socket.send("submind doctor", socket.address().port, TEST_ADDRESS);
      } catch (error) {
        end(errorText(error));
      }
    });
  });
}

/** Whether the WebRTC addon loads and can make a connection object. */
export async function examineWebrtc(context: CommandContext): Promise<Finding> {
  const texts = context.texts.doctor;
  try {
    const library = await import("node-datachannel");
    const connection = new library.PeerConnection("doctor", { iceServers: [] });
    connection.close();
    return { name: "webrtc", state: "ok", detail: `node-datachannel`, fix: "" };
  } catch (error) {
    const cause = error instanceof Error ? error.message.split("\n")[0] ?? "" : String(error);
    return {
      name: "webrtc",
      state: "warning",
      detail: texts.noAddon(cause),
      fix: texts.noAddonFix,
    };
  }
}
