/**
 * Writes the three innermost loops of the kernels as AssemblyScript, once per height of a tile. A tile keeps its sums in registers: `rows` × 8
 * numbers are `2 · rows` SIMD registers, of which WebAssembly engines on x86-64 have fifteen to give, so five rows by two registers, two of one
 * operand and one of the other. AssemblyScript has no macros, and written by hand this would be a thousand lines that differ in one digit.
 *
 * Layouts. Activations are row-major. Weights stand in panels: eight columns side by side, one row of 32 bytes after another, panel after
 * panel; so a tile reads them front to back whatever it computes.
 */

/** Rows of the highest tile. Measured with 4, 5 and 6: five is the best, six spills registers. */
export const TILE_ROWS_MAX = 5;

/** Values of one row that a loop takes per turn. */
const UNROLL = 4;

/** The tiles of all heights, and for each kind the function that chooses by height. */
export function tileSource(): string {
  const heights = Array.from({ length: TILE_ROWS_MAX }, (_, i) => i + 1);
  return [
    ...heights.map(forwardTile),
    chooser("forwardTile", FORWARD_PARAMETERS, heights),
    ...heights.map(gradientTile),
    chooser("gradientTile", GRADIENT_PARAMETERS, heights),
    ...heights.map(backwardTile),
    chooser("backwardTile", BACKWARD_PARAMETERS, heights),
  ].join("\n");
}

type Parameters = readonly (readonly [name: string, type: string])[];

const FORWARD_PARAMETERS: Parameters = [
  ["a", "usize"],
  ["aRow", "usize"],
  ["runs", "i32"],
  ["run", "i32"],
  ["runStride", "usize"],
  ["w", "usize"],
  ["start", "usize"],
  ["startRow", "usize"],
  ["c", "usize"],
  ["cRow", "usize"],
];

/** C[r] = start[r] + Σ A[r][p] · W[p], p over `runs` pieces of `run` numbers; `start` 0 means zero. */
function forwardTile(rows: number): string {
  const each = (line: (row: number) => string) =>
    Array.from({ length: rows }, (_, row) => line(row)).join("\n");
  const step = (k: number) => `
      b0 = v128.load(w, ${32 * k}); b1 = v128.load(w, ${32 * k + 16});
      ${
    each((r) =>
      `s = v128.load32_splat(a${r}, ${
        4 * k
      }); x${r} = madd(s, b0, x${r}); y${r} = madd(s, b1, y${r});`
    )
  }`;
  return `
function forwardTile${rows}(${declare(FORWARD_PARAMETERS)}): void {
  ${each((r) => `let x${r} = f32x4.splat(0), y${r} = x${r};`)}
  let b0: v128, b1: v128, s: v128;
  if (start != 0) {
    ${each((r) => `x${r} = v128.load(start); y${r} = v128.load(start, 16); start += startRow;`)}
  }
  for (; runs > 0; runs--) {
    ${each((r) => `let a${r} = a + ${r} * aRow;`)}
    const end = a + (<usize>run << 2), unrolled = a + (<usize>(run & ~${UNROLL - 1}) << 2);
    while (a0 < unrolled) {${Array.from({ length: UNROLL }, (_, k) => step(k)).join("")}
      w += ${32 * UNROLL};
      ${each((r) => `a${r} += ${4 * UNROLL};`)}
    }
    while (a0 < end) {${step(0)}
      w += 32;
      ${each((r) => `a${r} += 4;`)}
    }
    a += runStride;
  }
  ${each((r) => `v128.store(c, x${r}); v128.store(c, y${r}, 16); c += cRow;`)}
}`;
}

const GRADIENT_PARAMETERS: Parameters = [
  ["a", "usize"],
  ["aOuter", "usize"],
  ["aInner", "usize"],
  ["b", "usize"],
  ["bOuter", "usize"],
  ["bInner", "usize"],
  ["outer", "i32"],
  ["inner", "i32"],
  ["g", "usize"],
  ["scale", "f32"],
];

/** G[r] += scale · Σ A[p][r] · B[p], p over a grid of `outer` × `inner` places; the rows of A's tile are neighbours in memory. */
function gradientTile(rows: number): string {
  const each = (line: (row: number) => string) =>
    Array.from({ length: rows }, (_, row) => line(row)).join("\n");
  return `
function gradientTile${rows}(${declare(GRADIENT_PARAMETERS)}): void {
  ${each((r) => `let x${r} = f32x4.splat(0), y${r} = x${r};`)}
  for (; outer > 0; outer--) {
    let p = a, q = b;
    for (let n = inner; n > 0; n--) {
      const b0 = v128.load(q), b1 = v128.load(q, 16);
      let s: v128;
      ${
    each((r) =>
      `s = v128.load32_splat(p, ${4 * r}); x${r} = madd(s, b0, x${r}); y${r} = madd(s, b1, y${r});`
    )
  }
      p += aInner; q += bInner;
    }
    a += aOuter; b += bOuter;
  }
  const by = f32x4.splat(scale);
  ${
    each((r) =>
      `v128.store(g, madd(x${r}, by, v128.load(g, ${32 * r})), ${32 * r});
  v128.store(g, madd(y${r}, by, v128.load(g, ${32 * r + 16})), ${32 * r + 16});`
    )
  }
}`;
}

const BACKWARD_PARAMETERS: Parameters = [
  ["d", "usize"],
  ["dRow", "usize"],
  ["w", "usize"],
  ["panelBytes", "usize"],
  ["panels", "i32"],
  ["c", "usize"],
  ["cRow", "usize"],
];

/** C[r][i] = Σ D[r][j] · W[i][j] for two neighbouring rows i of the weights, j over all columns. */
function backwardTile(rows: number): string {
  const each = (line: (row: number) => string) =>
    Array.from({ length: rows }, (_, row) => line(row)).join("\n");
  return `
function backwardTile${rows}(${declare(BACKWARD_PARAMETERS)}): void {
  ${each((r) => `let x${r} = f32x4.splat(0), y${r} = x${r}, d${r} = d + ${r} * dRow;`)}
  for (; panels > 0; panels--) {
    const w0 = v128.load(w), w1 = v128.load(w, 16), w2 = v128.load(w, 32), w3 = v128.load(w, 48);
    let s: v128;
    ${
    each((r) =>
      `s = v128.load(d${r}); x${r} = madd(s, w0, x${r}); y${r} = madd(s, w2, y${r});
    s = v128.load(d${r}, 16); x${r} = madd(s, w1, x${r}); y${r} = madd(s, w3, y${r}); d${r} += 32;`
    )
  }
    w += panelBytes;
  }
  ${
    each((r) =>
      `x${r} = f32x4.add(i32x4.shuffle(x${r}, y${r}, 0, 1, 4, 5), i32x4.shuffle(x${r}, y${r}, 2, 3, 6, 7));
  x${r} = f32x4.add(i32x4.shuffle(x${r}, x${r}, 0, 2, 0, 2), i32x4.shuffle(x${r}, x${r}, 1, 3, 1, 3));
  v128.store64_lane(c, x${r}, 0); c += cRow;`
    )
  }
}`;
}

/** The function that calls the tile of `rows` rows. */
function chooser(name: string, parameters: Parameters, heights: readonly number[]): string {
  const given = parameters.map(([parameter]) => parameter).join(", ");
  return `
@inline function ${name}(rows: i32, ${declare(parameters)}): void {
  switch (rows) {
    ${heights.map((rows) => `case ${rows}: ${name}${rows}(${given}); break;`).join("\n    ")}
  }
}`;
}

function declare(parameters: Parameters): string {
  return parameters.map(([name, type]) => `${name}: ${type}`).join(", ");
}
