/**
 * DNS-SD of one device over all its interfaces as a state machine: events and the time go in, what to send and what was learnt comes out.
 * It owns no socket, clock or timer; the adapter calls `handle` with what happened and at the time that `nextMs` names.
 *
 * Invariants: our own announcement is never sighted; a device is `gone` only after it was `sighted`; all interfaces use one name.
 */
import type { Announcement, Sighting } from "../../platform/discovery.ts";
import type { Random } from "../../platform/ports.ts";
import { publishedRecords, textValue } from "./announcement.ts";
import { Browser } from "./browser.ts";
import type { DnsMessage, DnsRecord } from "./dns.ts";
import { nameKey, sameName } from "./dns.ts";
import { isOnLink, type Subnet } from "./ip.ts";
import { hostName, instanceLabel, instanceName } from "./names.ts";
import { Presence } from "./presence.ts";
import { Responder, type Source } from "./responder.ts";
import { SourceBudget } from "./source_budget.ts";

/** One interface and address family that speaks multicast. */
export interface Link {
  /** "eth0/4": interface and family. */
  readonly id: string;
  readonly interfaceName: string;
  /** All own addresses of the interface, both families. */
  readonly subnets: readonly Subnet[];
}

export type DnsSdEvent =
  /** An interface appeared, or came back, or has other addresses now. */
  | { readonly type: "linkUp"; readonly link: Link }
  | { readonly type: "linkDown"; readonly linkId: string }
  | {
    readonly type: "message";
    readonly linkId: string;
    readonly source: Source;
    readonly message: DnsMessage;
    /** True when it came to the port of a one-shot question. */
    readonly oneShot: boolean;
  }
  | { readonly type: "update"; readonly self: Announcement }
  | { readonly type: "refresh" }
  | { readonly type: "stop" }
  /** The time that `nextMs` named has come. */
  | { readonly type: "due" };

export type DnsSdAction =
  | {
    readonly type: "send";
    readonly linkId: string;
    readonly message: DnsMessage;
    /** `group`: port 5353 to the group. `oneShot`: from a port of its own to the group. Else to this host. */
    readonly to: "group" | "oneShot" | Source;
  }
  | { readonly type: "sighted"; readonly sighting: Sighting }
  | { readonly type: "gone"; readonly deviceId: string; readonly reason: "goodbye" | "expired" }
  /** Somebody else has our name on this network; this is ours now. */
  | { readonly type: "renamed"; readonly displayName: string };

interface LinkState {
  link: Link;
  readonly responder: Responder;
  readonly browser: Browser;
}

const RENAME_WINDOW_MS = 10_000;
const RENAMES_IN_WINDOW_MAX = 15;
const RENAME_WAIT_MS = 5_000;
const RENAME_CALM_MS = 60_000;
const OUTSTANDING_MAX = 1_024;
const LINKS_MAX = 64;

/** The machine. One life: after `stop` it does nothing. */
export class DnsSd {
  #self: Announcement;
  readonly #random: Random;
  readonly #links = new Map<string, LinkState>();
  readonly #presence: Presence;
  readonly #budget = new SourceBudget();
  readonly #outstanding = new Set<number>();
  #renamesMs: number[] = [];
  #renamesSlow = false;
  #instanceAttempt = 1;
  #hostAttempt = 1;
  #stopped = false;

  constructor(self: Announcement, random: Random) {
    this.#self = self;
    this.#random = random;
    this.#presence = new Presence(self.deviceId);
  }

  /** Takes one event in. @param nowMs monotonic milliseconds, never less than before */
  handle(event: DnsSdEvent, nowMs: number): readonly DnsSdAction[] {
    if (this.#stopped) return [];
    const actions: DnsSdAction[] = [];
    switch (event.type) {
      case "linkUp":
        actions.push(...this.#onLinkUp(event.link, nowMs));
        break;
      case "linkDown":
        this.#links.delete(event.linkId);
        break;
      case "message":
        actions.push(...this.#onMessage(event, nowMs));
        break;
      case "update":
        actions.push(...this.#onUpdate(event.self, nowMs));
        break;
      case "refresh":
        for (const state of this.#links.values()) state.browser.refresh(nowMs);
        break;
      case "stop":
        return this.#onStop();
      case "due":
        break;
      default:
        event satisfies never;
    }
    for (const state of this.#links.values()) actions.push(...this.#tick(state, nowMs));
    const changed = [...this.#links.values()].map((state) => state.browser.takeChanged());
    if (event.type === "linkDown" || event.type === "linkUp" || changed.includes(true)) {
      actions.push(...this.#presence.compare([...this.#links.values()]));
    }
    return actions;
  }

  /** When the next `due` event is wanted; Infinity when never. */
  nextMs(): number {
    let next = Infinity;
    for (const { responder, browser } of this.#links.values()) {
      next = Math.min(next, responder.nextMs(), browser.nextMs());
    }
    return this.#stopped ? Infinity : next;
  }

  #instance(): string {
    return instanceName(instanceLabel(this.#self.displayName, this.#instanceAttempt));
  }

  #recordsFor(link: Link): readonly DnsRecord[] {
    return publishedRecords(this.#self, {
      instance: this.#instance(),
      host: hostName(this.#self.deviceId, this.#hostAttempt),
      addresses: link.subnets.map((subnet) => subnet.address),
    });
  }

  #onLinkUp(link: Link, nowMs: number): readonly DnsSdAction[] {
    const known = this.#links.get(link.id);
    if (known !== undefined) {
      known.link = link;
      known.browser.setSubnets(link.subnets);
      return toGroup(known, known.responder.replace(this.#recordsFor(link), nowMs));
    }
    if (this.#links.size >= LINKS_MAX) return [];
    const random = this.#random.fork(`${link.id} ${nowMs}`);
    const responder = new Responder(random);
    const browser = new Browser({ random, subnets: link.subnets, nowMs });
    this.#links.set(link.id, { link, responder, browser });
    responder.probe({ instance: this.#instance(), records: this.#recordsFor(link), nowMs });
    return [];
  }

  #onUpdate(self: Announcement, nowMs: number): readonly DnsSdAction[] {
    const renamed = self.displayName !== this.#self.displayName;
    this.#self = self;
    if (renamed) this.#instanceAttempt = 1;
    return [...this.#links.values()].flatMap((state) => {
      const records = this.#recordsFor(state.link);
      if (!renamed) return toGroup(state, state.responder.replace(records, nowMs));
      const farewell = state.responder.goodbye();
      state.responder.probe({ instance: this.#instance(), records, nowMs });
      return toGroup(state, farewell);
    });
  }

  #onStop(): readonly DnsSdAction[] {
    this.#stopped = true;
    return [...this.#links.values()].flatMap((state) => toGroup(state, state.responder.goodbye()));
  }

  #onMessage(
    event: Extract<DnsSdEvent, { type: "message" }>,
    nowMs: number,
  ): readonly DnsSdAction[] {
    const { linkId, message, source, oneShot } = event;
    const state = this.#links.get(linkId);
    if (state === undefined || !isOnLink(source.address, state.link.subnets)) return [];
    if (!this.#budget.allows(source.address, nowMs)) return [];
    if (message.kind === "query") {
      if (oneShot) return [];
      state.browser.onQuery(message, nowMs);
      return toGroup(state, state.responder.onQuery(message, source, nowMs));
    }
    if (oneShot) {
      if (this.#outstanding.has(message.id)) state.browser.onOneShot(message, nowMs);
      return [];
    }
    // Answers come from port 5353 or are not from a responder (RFC 6762 §6).
    if (source.port !== 5353) return [];
    const conflicts = this.#conflicts(state, message, nowMs);
    state.responder.onResponse(message, nowMs);
    state.browser.onResponse(message, source.address, nowMs);
    return conflicts;
  }

  /** Another host uses our name: the one that is still probing yields, one that had announced probes again (RFC 6762 §9). */
  #conflicts(state: LinkState, message: DnsMessage, nowMs: number): readonly DnsSdAction[] {
    const records = [...message.answers, ...message.additionals];
    const conflicting = records.filter((record) =>
      state.responder.conflictsWith(record) && !this.#isOurs(record)
    );
    const [first] = conflicting;
    if (first === undefined) return [];
    const ofInstance = conflicting.some((record) => sameName(record.name, this.#instance()));
    const wasProbing = state.responder.probing;
    if (wasProbing) {
      if (ofInstance) this.#instanceAttempt++;
      else this.#hostAttempt++;
      this.#renamesMs = [...this.#renamesMs, nowMs].slice(-RENAMES_IN_WINDOW_MAX);
    }
    const oldestMs = this.#renamesMs.at(-RENAMES_IN_WINDOW_MAX) ?? -Infinity;
    const quietMs = nowMs - (this.#renamesMs.at(-2) ?? -Infinity);
    if (nowMs - oldestMs < RENAME_WINDOW_MS) this.#renamesSlow = true;
    else if (quietMs > RENAME_CALM_MS) this.#renamesSlow = false;
    const waitMs = this.#renamesSlow ? RENAME_WAIT_MS : 0;
    const actions: DnsSdAction[] = [];
    for (const other of wasProbing ? this.#links.values() : [state]) {
      if (wasProbing) actions.push(...toGroup(other, other.responder.goodbye()));
      const records = this.#recordsFor(other.link);
      other.responder.probe({ instance: this.#instance(), records, nowMs, waitMs });
    }
    if (wasProbing && ofInstance) {
      const displayName = instanceLabel(this.#self.displayName, this.#instanceAttempt);
      actions.push({ type: "renamed", displayName });
    }
    return actions;
  }

  /** Our own words come back to us, also over another of our interfaces and from before an update: no conflict. */
  #isOurs(record: DnsRecord): boolean {
    switch (record.type) {
      case "SRV":
        return sameName(record.data.target, hostName(this.#self.deviceId, this.#hostAttempt));
      case "TXT":
        return textValue(record, "device_id") === this.#self.deviceId;
      case "A":
      case "AAAA":
        return [...this.#links.values()].some(({ link }) =>
          link.subnets.some((subnet) => nameKey(subnet.address) === nameKey(record.data))
        );
      case "PTR":
      case "NSEC":
        return true;
    }
  }

  #tick(state: LinkState, nowMs: number): readonly DnsSdAction[] {
    const actions: DnsSdAction[] = [...toGroup(state, state.responder.tick(nowMs))];
    const { group, oneShots } = state.browser.tick(nowMs);
    actions.push(...toGroup(state, group));
    for (const { message } of oneShots) {
      if (this.#outstanding.size >= OUTSTANDING_MAX) {
        for (const oldest of this.#outstanding) {
          this.#outstanding.delete(oldest);
          break;
        }
      }
      this.#outstanding.add(message.id);
      actions.push({ type: "send", linkId: state.link.id, message, to: "oneShot" });
    }
    return actions;
  }
}

function toGroup(
  state: LinkState,
  outgoing: readonly { readonly message: DnsMessage; readonly to?: Source }[],
): readonly DnsSdAction[] {
  return outgoing.map(({ message, to }) => ({
    type: "send",
    linkId: state.link.id,
    message,
    to: to ?? "group",
  }));
}
