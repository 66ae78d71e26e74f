/** Writes what `engine_colour.py` reads: pictures, labels, and where each network begins. Run with the folder to write to. */
import { join } from "node:path";
import { colourNetwork, colourPictures, type Model, RATES } from "../learning/colour_pictures.ts";

const folder = Deno.args[0]!;
const { inputs, labels } = colourPictures();
Deno.writeFileSync(join(folder, "pictures"), inputs as Uint8Array);
Deno.writeFileSync(join(folder, "labels"), labels as Uint8Array);
for (const model of Object.keys(RATES) as Model[]) {
  const { initial } = colourNetwork(model);
  Deno.writeFileSync(join(folder, model), new Uint8Array(initial.buffer));
}
