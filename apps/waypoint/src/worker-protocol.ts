/**
 * What the control thread and a data worker say to each other. Types only: the seam between `control/` (main thread: xDS,
 * CA, admin) and `data/` (worker threads: connections). Every worker is told the same.
 *
 * Transport as in the node proxy: LoopWorker and runLoopWorker of @ambit/net. Messages of one direction arrive in order.
 * Resources travel as their bytes: both sides compile them by the same code, the control thread to refuse what cannot be
 * used, the worker to use it.
 */
import type { LogReport, MetricAnnouncement } from '@ambit/telemetry';
import type { AddressBatch } from '@ambit/workload';

/** Fixed for the life of a worker. */
export interface DataSettings {
  readonly role: 'waypoint' | 'gateway';
  readonly network: string;
  readonly clusterId: string;
  readonly podName: string;
  readonly podNamespace: string;
  /** Name of the Gateway, in that namespace. */
  readonly gateway: string;
  readonly nodeName: string;
  readonly instanceIp: string;
  /** SPIFFE id. */
  readonly identity: string;
  /** Undefined: every address. */
  readonly listenAddress: string | undefined;
  readonly isIpv6Enabled: boolean;
  readonly hbonePort: number;
  /** Where endpoints take HBONE. */
  readonly peerHbonePort: number;
  /** Of `TokenBuckets`: what rate limits count, by all workers together. */
  readonly buckets: SharedArrayBuffer;
  readonly log: {
    /** Directives of `RUST_LOG`; later changes come as `logLevels`. */
    readonly directives: string;
    /** Descriptor of the access log. */
    readonly fd: number;
  };
}

/** Certificate and key of the own identity. */
export interface CertificateMaterial {
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
  readonly rootsPem: string;
}

/** Resources by name; undefined takes one away. One moment: a worker applies all of it between two turns. */
export interface ConfigUpdate {
  readonly proxy: Uint8Array | undefined;
  readonly destinations: readonly (readonly [name: string, value: Uint8Array | undefined])[];
  readonly servers: readonly (readonly [name: string, value: Uint8Array | undefined])[];
}

/** Control to worker. */
export type ToWorker =
  | { readonly kind: 'addresses'; readonly batch: AddressBatch }
  | { readonly kind: 'config'; readonly update: ConfigUpdate }
  | { readonly kind: 'certificate'; readonly material: CertificateMaterial }
  /** Certificate revocation lists, complete; may come before `listen`. */
  | { readonly kind: 'revocations'; readonly lists: Uint8Array }
  /** Open the listeners: the first configuration is complete. Answered by `listening` or `listenFailed`. */
  | { readonly kind: 'listen' }
  /** No new connections; GOAWAY and `connection: close`; the rest is cut at the deadline. Then `drained`. */
  | { readonly kind: 'drain'; readonly deadlineMs: number; readonly minimumMs: number }
  /** Addresses of a name that a worker asked for, now and whenever they change. */
  | { readonly kind: 'resolved'; readonly hostname: string; readonly addresses: readonly string[] }
  /** Answered by `described`. */
  | { readonly kind: 'describe'; readonly query: number }
  /** New directives in force, complete. */
  | { readonly kind: 'logLevels'; readonly directives: string }
  /** Leave the loop; nothing more is sent or expected. */
  | { readonly kind: 'stop' };

/** Worker to control. */
export type FromWorker =
  /** `hbonePort`: the one in use. */
  | { readonly kind: 'listening'; readonly hbonePort: number }
  | { readonly kind: 'listenFailed'; readonly error: string }
  | { readonly kind: 'drained'; readonly cutConnections: number }
  /** Endpoints are known by name only. Repeated as long as the name is used. */
  | { readonly kind: 'resolveHost'; readonly hostname: string }
  | { readonly kind: 'described'; readonly query: number; readonly description: WorkerDescription }
  | { readonly kind: 'metrics'; readonly announcements: readonly MetricAnnouncement[] }
  /** Rare: life cycle and failures. Requests have the access log. */
  | LogReport;

/** What a worker has at the moment, for the dump. */
export interface WorkerDescription {
  readonly inboundTunnels: number;
  readonly inboundStreams: number;
  readonly outboundTunnels: number;
  readonly clusters: readonly ClusterDescription[];
}

/** Endpoints of one backend target as this worker sees them. */
export interface ClusterDescription {
  readonly target: string;
  readonly activeRequests: number;
  readonly endpoints: readonly {
    readonly id: string;
    readonly address: string;
    readonly activeRequests: number;
    readonly isEjected: boolean;
    readonly connections: number;
  }[];
}
