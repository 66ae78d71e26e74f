/** Both stores keep sensor readings as the contract says. */
import { readingsContract } from "../contracts/readings_contract.ts";
import { memoryPlace, sqlitePlace } from "./folders.ts";

readingsContract("memory readings", memoryPlace);
readingsContract("sqlite readings", sqlitePlace);
