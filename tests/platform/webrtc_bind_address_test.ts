/** Which address connections are bound to, and what candidates look like to others. */
import assert from "node:assert/strict";
import {
  bindAddressOf,
  type InterfaceAddress,
  withoutZone,
} from "../../platform/webrtc_bind_address.ts";

const loopback: InterfaceAddress = {
  interface: "lo",
  address: "127.0.0.1",
  family: "IPv4",
  internal: true,
};
const linkLocal: InterfaceAddress = {
  interface: "eth0",
  address: "fe80::1",
  family: "IPv6",
  internal: false,
};

Deno.test("a device with an address that others reach is not bound to one", () => {
  const four: InterfaceAddress = { ...linkLocal, address: "10.0.0.7", family: "IPv4" };
  assert.equal(bindAddressOf([loopback, linkLocal, four]), undefined);
  assert.equal(bindAddressOf([loopback, { ...linkLocal, address: "fd00::7" }]), undefined);
});

Deno.test("without one it is bound to its link-local address with the zone, else to loopback", () => {
  assert.equal(bindAddressOf([loopback, linkLocal]), "fe80::1%eth0");
  assert.equal(bindAddressOf([loopback, { ...linkLocal, address: "fe80::1%3" }]), "fe80::1%eth0");
  assert.equal(bindAddressOf([loopback]), "127.0.0.1");
  assert.equal(bindAddressOf([]), "127.0.0.1");
});

Deno.test("zones do not leave the device, everything else of a candidate does", () => {
  const candidate = (address: string) => `candidate:1 1 UDP 2116026367 ${address} 34838 typ host`;
  assert.equal(withoutZone(candidate("fe80::1%eth0")), candidate("fe80::1"));
  assert.equal(withoutZone(`a=${candidate("fe80::1%eth0")}`), `a=${candidate("fe80::1")}`);
  for (const address of ["10.0.0.7", "fd00::7"]) {
    assert.equal(withoutZone(candidate(address)), candidate(address));
  }
});
