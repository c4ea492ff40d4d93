/** What passes between the benchmark and its process of xDS clients. */

export interface ClientsOrder {
  readonly port: number;
  /** One for each client, in order of nodes. */
  readonly tokens: readonly string[];
  /** TLS connections that the clients share; as many as clients for one each. */
  readonly connections: number;
  readonly rootsPem: string;
}

/** To the clients: connect; begin to count latencies; report and begin anew. */
export type ClientsCommand =
  | { readonly kind: 'connect'; readonly order: ClientsOrder }
  | { readonly kind: 'reset' }
  | { readonly kind: 'report' };

export interface LatencyReport {
  /** Changes seen by at least one client. */
  readonly changes: number;
  /** Changes seen by every client. */
  readonly complete: number;
  /** Latencies of each change at each client, milliseconds. */
  readonly each: Percentiles;
  /** Latencies of each change at the last client. */
  readonly last: Percentiles;
  readonly messages: number;
}

export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export type ClientsEvent =
  /** Every client has its first answer of every type. */
  | { readonly kind: 'served'; readonly bytes: number; readonly addresses: number; readonly policies: number }
  /** Told every few seconds until then: first answers that have not come. */
  | { readonly kind: 'waiting'; readonly answers: number; readonly bytes: number }
  | { readonly kind: 'report'; readonly report: LatencyReport }
  | { readonly kind: 'failed'; readonly reason: string };

/** Monotonic time in microseconds, the same for all processes of a machine. */
export function nowUs(): number {
  return Math.round(Number(process.hrtime.bigint() / 1000n));
}

/** A mark that tells when it was set; a label value of Kubernetes. */
export function timeMark(us: number): string {
  return `t${us}z`;
}
