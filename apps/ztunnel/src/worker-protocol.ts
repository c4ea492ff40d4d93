/**
 * What the control thread and a data worker say to each other. Types only: this file is the seam between
 * `control/` (main thread: xDS, CA, ZDS, DNS, admin) and `data/` (worker threads: connections).
 *
 * Transport: LoopWorker and runLoopWorker of @ambit/net. Control posts to the worker's port, then writes its eventfd, because
 * a worker sleeps in epoll and never returns to Node's loop. The worker posts to the same port; control hears it as events.
 * Messages of one direction arrive in order. A worker takes every message before the next connection it accepts, but
 * may apply `addresses` in bounded slices between turns.
 *
 * Order that control keeps: policies before the addresses that name them, removed policies after; `proxyAdd` only after
 * the first sync of both types; a certificate only for identities of this node.
 */
import type { EventPayload } from '@ambit/events';
import type { LogReport, MetricAnnouncement } from '@ambit/telemetry';
import type { AddressBatch } from '@ambit/workload';

/** Fixed for the life of a worker. Milliseconds and bytes unless the name says otherwise. */
export interface DataSettings {
  readonly mode: 'shared' | 'dedicated';
  readonly network: string;
  /** `NODE_NAME`; undefined (dedicated) takes every workload as local. */
  readonly localNode: string | undefined;
  readonly clusterId: string;
  readonly clusterDomain: string;
  /** SO_MARK of every socket in a pod; undefined sets none. */
  readonly packetMark: number | undefined;
  /** Listeners with SO_REUSEPORT; then every worker gets every pod, otherwise each pod has one worker. */
  readonly reusePort: boolean;
  readonly originalSource: 'best-effort' | 'required' | 'never';
  readonly isIpv6Enabled: boolean;
  /** `XDS_ON_DEMAND`: addresses that are not known are asked for with `demand` before a connection is planned. */
  readonly isOnDemand: boolean;
  readonly ports: DataPorts;
  /** Undefined turns TCP keepalive off. */
  readonly keepalive: { readonly idleSec: number; readonly intervalSec: number; readonly probes: number } | undefined;
  /** TCP_USER_TIMEOUT; undefined leaves it alone. */
  readonly userTimeoutMs: number | undefined;
  readonly http2: {
    readonly streamWindowBytes: number;
    readonly connectionWindowBytes: number;
    readonly frameBytes: number;
  };
  readonly pool: { readonly maxStreamsPerConnection: number; readonly unusedReleaseMs: number };
  readonly isSocks5Enabled: boolean;
  readonly isLocalhostAppTunnelEnabled: boolean;
  /** `ENABLE_RESPONSE_BAGGAGE`; also switches the reading of request baggage. */
  readonly isBaggageEnabled: boolean;
  /** `PREFERED_SERVICE_NAMESPACE`. */
  readonly preferredServiceNamespace: string | undefined;
  /**
   * A workload names a policy that is not here: `hold` a new connection up to `missingPolicyWaitMs` and then refuse it, or
   * `ignore` the name as Istio's ztunnel does.
   */
  readonly missingPolicy: 'hold' | 'ignore';
  readonly missingPolicyWaitMs: number;
  /** Peers are looked up in the lists of `revocations`. */
  readonly checksRevocation: boolean;
  /** Send the client's first bytes with the CONNECT instead of after the 200. */
  readonly sendsEarly: boolean;
  readonly log: {
    readonly format: 'text' | 'json';
    /** Directives of `RUST_LOG`; later changes come as `logLevels`. */
    readonly directives: string;
    /** Descriptor of the access log; shared by all workers, one write per line batch. */
    readonly fd: number;
    readonly isAuthzInfoEnabled: boolean;
  };
  /** One of this many finished connections is reported as `flow`; 0 reports none. Denials are always reported. */
  readonly flowSampleRate: number;
}

export interface DataPorts {
  readonly outbound: number;
  readonly inboundPlaintext: number;
  readonly inboundHbone: number;
  readonly socks5: number;
}

/** Who a pod says it is, from ZDS. */
export interface PodIdentity {
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** PEM, in memory only; never log this record. */
export interface CertificateMaterial {
  /** SPIFFE id. */
  readonly identity: string;
  /** Leaf first, then intermediates. */
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
  readonly rootsPem: string;
  /** Wall time. */
  readonly notAfterMs: number;
}

/** Control to worker. */
export type ToWorker =
  | { readonly kind: 'addresses'; readonly batch: AddressBatch }
  /** In order; without a value the policy is gone. The bytes are an `istio.security.Authorization` that decodes. */
  | {
      readonly kind: 'policies';
      readonly changes: readonly { readonly name: string; readonly value: Uint8Array | undefined }[];
    }
  | { readonly kind: 'certificate'; readonly material: CertificateMaterial }
  /** Asked for and not to be had for now; connections that wait for it fail. A later `certificate` mends it. */
  | { readonly kind: 'certificateFailed'; readonly identity: string; readonly error: string }
  /** PEM or DER that can be read, or nothing; replaces what was before. Comes before the first certificate. */
  | { readonly kind: 'revocations'; readonly lists: Uint8Array }
  /** No workload of this node has the identity any more: drop key and contexts. */
  | { readonly kind: 'certificateForgotten'; readonly identity: string }
  /**
   * Open the listeners of a pod; answered by `proxyStarted` or `proxyFailed`. The worker owns `netnsFd` (its own
   * descriptor of the namespace) from here on, in the failing case too. Undefined: the process's own namespace.
   */
  | {
      readonly kind: 'proxyAdd';
      readonly uid: string;
      readonly info: PodIdentity;
      readonly netnsFd: number | undefined;
    }
  /** Close listeners and connections of the pod at once. An unknown uid is ignored. */
  | { readonly kind: 'proxyRemove'; readonly uid: string }
  /** Close all listeners now, let connections end until the deadline, cut the rest, then answer `drained`. */
  | { readonly kind: 'drain'; readonly deadlineMs: number }
  /** Answered by `connections` with the same query number. */
  | { readonly kind: 'listConnections'; readonly query: number }
  | { readonly kind: 'hostResolved'; readonly query: number; readonly addresses: readonly string[] }
  /** The answer to `demand` has been taken; a found resource came in an `addresses` before this. */
  | { readonly kind: 'demanded'; readonly name: string }
  /** New directives in force, complete. */
  | { readonly kind: 'logLevels'; readonly directives: string }
  /** Leave the loop; nothing more is sent or expected. */
  | { readonly kind: 'stop' };

/** Worker to control. */
export type FromWorker =
  /** A connection waits. Repeated asking is harmless. */
  | { readonly kind: 'needCertificate'; readonly identity: string }
  | { readonly kind: 'proxyStarted'; readonly uid: string }
  | { readonly kind: 'proxyFailed'; readonly uid: string; readonly error: string }
  | { readonly kind: 'drained'; readonly cutConnections: number }
  | { readonly kind: 'connections'; readonly query: number; readonly pods: Readonly<Record<string, PodConnections>> }
  /** A workload has a host name and no address. Resolve in the proxy's own namespace. */
  | { readonly kind: 'resolveHost'; readonly query: number; readonly hostname: string }
  /** On-demand mode: nothing is known of `<network>/<ip>` or `namespace/hostname`. */
  | { readonly kind: 'demand'; readonly name: string }
  | { readonly kind: 'metrics'; readonly announcements: readonly MetricAnnouncement[] }
  | { readonly kind: 'flow'; readonly flow: FlowRecord }
  | { readonly kind: 'denied'; readonly denial: DenialRecord }
  /** Rare: life cycle and failures. Per-connection lines go to the access log instead. */
  | LogReport;

/** Open connections of a pod as `/config_dump` shows them. */
export interface PodConnections {
  readonly inbound: readonly ConnectionRecord[];
  readonly outbound: readonly ConnectionRecord[];
}

/** Addresses as `ip:port`; keys and words are those of the dump. */
export interface ConnectionRecord {
  readonly src: string;
  /** Absent when it was not redirected. */
  readonly originalDst: string | null;
  readonly actualDst: string;
  readonly protocol: 'HBONE' | 'TCP';
}

/** A finished connection, sampled; the control thread adds the node. Empty text = not known. */
export type FlowRecord = Omit<EventPayload<'flow'>, 'node'>;

/** A connection that policy refused or closed. No name of a policy: no ALLOW policy matched. */
export type DenialRecord = Omit<EventPayload<'policy.denied'>, 'node'>;
