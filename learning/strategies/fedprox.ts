/**
 * FedProx: FedAvg whose clients stay near the model they were given, by adding μ/2 · |w − w₀|² to their loss. Li, Sahu, Zaheer, Sanjabi,
 * Talwalkar, Smith: "Federated Optimization in Heterogeneous Networks", MLSys 2020. The server does what FedAvg does.
 */

/** What a client's training job takes over: `TrainingJob.proximal`. */
export interface ClientSettings {
  /** μ ≥ 0; absent for none. */
  readonly proximal?: number;
}

/** The clients' setting of FedProx; μ = 0 is FedAvg. */
export function fedProxClients(options: { readonly proximal: number }): ClientSettings {
  return options.proximal > 0 ? { proximal: options.proximal } : {};
}
