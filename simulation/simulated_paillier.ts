/**
 * Paillier's encryption in a simulation: everybody has the same key, and what hides a plaintext is 1, so that encrypting is one multiplication. The
 * arithmetic is the real one; nothing has to be hidden here.
 */
import { inlinePaillierWork, type PaillierWork } from "../learning/secure/paillier_work.ts";
import type { Random } from "../platform/ports.ts";

/** Primes of 1,024 bits, as in `tests/fixtures/learning/secure_paillier.json`. */
const P = BigInt(
  "0x94c099d69af271f4a59da161f86eda37dc07866d94b28df17aab7a9cd6aad3bdcb34aa64df51447d0c23505ea28c54f8da5edc7fef4285dd14be6024b8355d2b" +
    "11bb889740b852562dcaf256d5fad2158dd0e030c3dea9a99f8b227a19c1c7c96495e4b06b549ad3c7304b09f20a15dc37071a33d1b9bb63fac033fa72e907c9",
);
const Q = BigInt(
  "0xff7f508a5c4343416f44a4fd61bf3d0a2c2c08e5e998e998ff8a1adb936654b1f44cc0eebc05094c02a43580ad5608794637f90a419b0d45de5c5b934a8645d1" +
    "4e00f0d5dc1186a915c3916ed781649b1fc62460fb118d43cfeec49e8b06140c2813ad21dbb8ce81713f2a7e154fb5d3c6a32ad8897943a8945e69bd21292b21",
);

/** The work with a key of 2,048 bits; `random` for plaintexts that must be hidden after all. */
export function simulatedPaillierWork(
  random: Pick<Random, "bytes"> = { bytes: (count) => new Uint8Array(count) },
): PaillierWork {
  return inlinePaillierWork({
    random,
    draw(keyBits) {
      if (keyBits === 2_048) return { p: P, q: Q };
      throw new Error(`Cannot draw a key of ${keyBits} bits in a simulation: expected 2048`);
    },
  });
}
