/** IP addresses as text and bytes, and which of them belong to a local network. */

/** An own address of an interface and how many of its leading bits name the network. */
export interface Subnet {
  readonly address: string;
  readonly prefixBits: number;
}

function ipv4Bytes(text: string): Uint8Array | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  const parts = match.slice(1).map(Number);
  return parts.every((part) => part <= 255) ? Uint8Array.from(parts) : undefined;
}

function ipv6Bytes(text: string): Uint8Array | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const groups = (half: string): number[] | undefined => {
    if (half === "") return [];
    const out: number[] = [];
    const parts = half.split(":");
    for (const [index, part] of parts.entries()) {
      const tail = index === parts.length - 1 ? ipv4Bytes(part) : undefined;
      if (tail !== undefined) out.push(...tail);
      else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
        const value = parseInt(part, 16);
        out.push(value >> 8, value & 255);
      } else return undefined;
    }
    return out;
  };
  const left = groups(halves[0] ?? "");
  const right = halves.length === 2 ? groups(halves[1] ?? "") : [];
  if (left === undefined || right === undefined) return undefined;
  const missing = 16 - left.length - right.length;
  if (halves.length === 2 ? missing < 2 : missing !== 0) return undefined;
  return Uint8Array.from([...left, ...new Array<number>(missing).fill(0), ...right]);
}

/** The 4 or 16 bytes of an IP address without a zone; undefined when the text is none. */
export function ipBytes(text: string): Uint8Array | undefined {
  if (text.length > 45) return undefined;
  return text.includes(":") ? ipv6Bytes(text) : ipv4Bytes(text);
}

/** True for fe80::/10. */
export function isLinkLocalV6(bytes: Uint8Array): boolean {
  return bytes.length === 16 && bytes[0] === 0xfe && ((bytes[1] ?? 0) & 0xc0) === 0x80;
}

/** True when `address` is in one of the networks. */
export function isOnLink(address: string, subnets: readonly Subnet[]): boolean {
  const bytes = ipBytes(address);
  if (bytes === undefined) return false;
  return subnets.some((subnet) => {
    const own = ipBytes(subnet.address);
    if (own === undefined || own.length !== bytes.length) return false;
    for (let bit = 0; bit < subnet.prefixBits; bit += 8) {
      const left = subnet.prefixBits - bit;
      const mask = left >= 8 ? 0xff : (0xff << (8 - left)) & 0xff;
      if (((own[bit >> 3] ?? 0) & mask) !== ((bytes[bit >> 3] ?? 0) & mask)) return false;
    }
    return true;
  });
}
