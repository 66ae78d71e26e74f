/** What a process costs, read from /proc: processor time, memory, open sockets, and the packets of its network namespace. */

export interface Figures {
  /** Processor time so far, ms. */
  readonly cpuMs: number;
  /** Resident memory, MiB. */
  readonly residentMiB: number;
  /** UDP sockets of its network namespace. */
  readonly udpSockets: number;
  /** Open TCP sockets of its network namespace in a state other than listening and TIME_WAIT. */
  readonly tcpConnections: number;
  /** Packets sent and received on interfaces other than loopback. */
  readonly packets: number;
  /** Bytes of these. */
  readonly bytes: number;
}

/** Ticks of processor time per second; 100 on every Linux that Deno supports. */
const TICKS_PER_SECOND = 100;

/** Reads them now. */
export async function figuresOf(pid: number): Promise<Figures> {
  const read = (name: string) => Deno.readTextFile(`/proc/${pid}/${name}`);
  const [stat, status, dev, udp, udp6, tcp, tcp6] = await Promise.all(
    ["stat", "status", "net/dev", "net/udp", "net/udp6", "net/tcp", "net/tcp6"].map(read),
  ) as [string, string, string, string, string, string, string];
  // The name in brackets may hold spaces; user and system time are the 12th and 13th field after it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  const rows = (text: string) =>
    text.trim().split("\n").slice(1).map((row) => row.trim().split(/\s+/));
  const interfaces = dev.trim().split("\n").slice(2).map((row) => row.trim().split(/[:\s]+/))
    .filter(([name]) => name !== "lo");
  const sum = (column: number) => interfaces.reduce((total, row) => total + Number(row[column]), 0);
  const idle = new Set(["0A", "06"]);
  return {
    cpuMs: ticks * 1_000 / TICKS_PER_SECOND,
    residentMiB: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024,
    udpSockets: rows(udp).length + rows(udp6).length,
    tcpConnections: [...rows(tcp), ...rows(tcp6)].filter((row) => !idle.has(row[3] ?? "")).length,
    packets: sum(2) + sum(10),
    bytes: sum(1) + sum(9),
  };
}
