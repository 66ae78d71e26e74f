/** The gateway on a socket: loopback unless TLS protects it, and gone without a trace when stopped. */
import { errorText } from "../platform/error_text.ts";
import { createApp, type Gateway } from "./app.ts";
import type { GatewayOptions } from "./environment.ts";
import { hostNameOf } from "./middleware/security.ts";

/** Thrown when the gateway cannot listen; says what to do. */
export class GatewayStartError extends Error {
  override readonly name = "GatewayStartError";
}

export interface GatewayServerOptions extends Omit<GatewayOptions, "secure"> {
  /** Default "127.0.0.1". Anything that is not loopback needs `tls`. */
  readonly host?: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** PEM texts of a certificate chain and its key. */
  readonly tls?: { readonly certificate: string; readonly key: string };
}

export interface GatewayServer {
  /** Where it listens: "http://127.0.0.1:7463". */
  readonly address: string;
  /** A link that logs a person's browser in: good once, for five minutes. */
  loginUrl(): string;
  readonly gateway: Gateway;
  /** Ends event streams, lets running requests finish (at most 5 s), frees the port. Twice is harmless. */
  stop(): Promise<void>;
}

/** How long running requests may take to finish when stopping, ms. */
const STOP_GRACE_MS = 5_000;

/** Whether only this machine can reach `host`. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[|\]$/g, "");
  return name === "localhost" || name === "::1" || /^127(\.\d{1,3}){3}$/.test(name);
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host.replace(/^\[|\]$/g, "")}]` : host;
}

function startError(error: unknown, host: string, port: number): GatewayStartError {
  const where = `${bracketed(host)}:${port}`;
  const cause = { cause: error };
  if (error instanceof Deno.errors.AddrInUse) {
    return new GatewayStartError(
      `Cannot listen on ${where}: another program has this port. ` +
        `Stop it (is submind running already?) or choose another with gateway.port`,
      cause,
    );
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return new GatewayStartError(
      `Cannot listen on ${where}: this machine has no such address. Check gateway.host`,
      cause,
    );
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return new GatewayStartError(
      `Cannot listen on ${where}: not permitted. Ports below 1024 need rights; choose another`,
      cause,
    );
  }
  const reason = errorText(error);
  return new GatewayStartError(`Cannot listen on ${where}: ${reason}`, cause);
}

/**
 * Starts to answer requests.
 *
 * @throws {GatewayStartError} when the port is taken, the address is not ours, the certificate is not usable, or the gateway
 * would be reachable from other machines without TLS
 */
export function startGateway(options: GatewayServerOptions): GatewayServer {
  const { host = "127.0.0.1", port, tls } = options;
  if (!isLoopback(host) && tls === undefined) {
    throw new GatewayStartError(
      `Cannot listen on ${
        bracketed(host)
      }: other machines could read tokens and data on the way. ` +
        "Give gateway.tlsCertificate and gateway.tlsKey, or use 127.0.0.1 behind a TLS proxy",
    );
  }
  const secure = tls !== undefined;
  const ownName = hostNameOf(bracketed(host));
  const gateway = createApp({
    ...options,
    secure,
    allowedHosts: [...(options.allowedHosts ?? []), ...(ownName === undefined ? [] : [ownName])],
  });

  const cutOff = new AbortController();
  let server: Deno.HttpServer<Deno.NetAddr>;
  try {
    server = Deno.serve({
      hostname: host.replace(/^\[|\]$/g, ""),
      port,
      signal: cutOff.signal,
      ...(tls === undefined ? {} : { cert: tls.certificate, key: tls.key }),
      onListen: () => {},
      onError: (error) => {
        options.log.write("error", "a response failed", { error: String(error) });
        return new Response(null, { status: 500 });
      },
    }, (request, info) => {
      return gateway.app.fetch(request, { remoteAddress: info.remoteAddr.hostname });
    });
  } catch (error) {
    // Nobody was served yet: there is nothing to wait for.
    void gateway.close();
    throw startError(error, host, port);
  }

  const wildcard = host === "0.0.0.0" || host === "::";
  const shown = wildcard ? "localhost" : bracketed(host);
  const address = `${secure ? "https" : "http"}://${shown}:${server.addr.port}`;
  let stopping: Promise<void> | undefined;

  async function stop(): Promise<void> {
    await gateway.close();
    let cancel = () => {};
    const late = new Promise<"late">((resolve) => {
      cancel = options.clock.schedule(STOP_GRACE_MS, () => resolve("late"));
    });
    const outcome = await Promise.race([server.shutdown(), late]);
    cancel();
    if (outcome !== "late") return;
    options.log.write("warning", "requests were cut off while stopping");
    cutOff.abort();
    await server.finished;
  }

  return {
    address,
    gateway,
    loginUrl: () => `${address}/login?code=${gateway.logins.create()}`,
    stop: () => stopping ??= stop(),
  };
}
