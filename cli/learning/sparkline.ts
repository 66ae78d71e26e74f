/** A curve in one line of text. */

const STEPS = "▁▂▃▄▅▆▇█";
/** Larger ones count as missing: nothing else could be seen beside them. */
const VALUE_MAX = 1e15;

/**
 * The values as small columns, the lowest and the highest of them at the ends of the scale. More values than `width` are averaged, neighbours
 * together; missing ones are gaps.
 *
 * @param range the ends of the scale when they are known, such as 0 and 1 for a share; else those of the values
 */
export function sparkline(
  values: readonly (number | null)[],
  options: { readonly width: number; readonly range?: readonly [number, number] },
): string {
  const cells = averaged(values, Math.max(1, Math.floor(options.width)));
  const known = cells.filter((value) => value !== null);
  const [least, most] = options.range ?? [Math.min(...known), Math.max(...known)];
  return cells.map((value) => {
    if (value === null) return " ";
    const share = most > least ? (value - least) / (most - least) : 1;
    const step = Math.min(STEPS.length - 1, Math.max(0, Math.floor(share * STEPS.length)));
    return STEPS[step];
  }).join("");
}

function averaged(values: readonly (number | null)[], width: number): readonly (number | null)[] {
  const finite = values.map((value) =>
    value !== null && Math.abs(value) <= VALUE_MAX ? value : null
  );
  if (finite.length <= width) return finite;
  return Array.from({ length: width }, (_, cell) => {
    const from = Math.floor(cell * finite.length / width);
    const to = Math.floor((cell + 1) * finite.length / width);
    const known = finite.slice(from, to).filter((value) => value !== null);
    return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
  });
}
