import type { PeerIdentity } from '@ambit/policy';
import type { Workload } from '@ambit/workload';

/** What the requests of one connection are addressed to, before any route. */
export type ServedTarget =
  /** A waypoint's client asked for a service. `key` is `<namespace>/<hostname>`. */
  | {
      readonly kind: 'service';
      readonly key: string;
      readonly namespace: string;
      readonly hostname: string;
      readonly port: number;
    }
  /** A waypoint's client asked for a workload by its address. */
  | { readonly kind: 'workload'; readonly workload: Workload; readonly address: string; readonly port: number }
  /** A port of a gateway. `listener` is the one that TLS chose by its server name; undefined without TLS. */
  | { readonly kind: 'server'; readonly port: number; readonly listener: string | undefined };

/** The certificate that a client gave in TLS, for `x-forwarded-client-cert`. */
export interface ClientCertificateFacts {
  /** Lower-case hex of SHA-256 over the DER form. */
  readonly sha256Hex: string;
  /** With line ends. */
  readonly pem: string;
  /** RFC 2253. */
  readonly subject: string;
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
}

/** What is known of a client's connection before its first request; one object for all its requests. */
export interface DownstreamFacts {
  readonly served: ServedTarget;
  /** `http`, or `https` where this proxy ended TLS that the application made. */
  readonly scheme: 'http' | 'https';
  /** The identity that the tunnel (waypoint) or mutual TLS (gateway) proved. */
  readonly peer: PeerIdentity | undefined;
  /** Who has the source address, as far as the mesh's state knows. */
  readonly source: Workload | undefined;
  /** 4 or 16 bytes; at a waypoint the original pod's. */
  readonly sourceIp: Uint8Array;
  /** Canonical text of `sourceIp`. */
  readonly sourceAddress: string;
  /** `10.0.0.1:43210`; at a waypoint the port is 0 when the tunnel did not tell it. */
  readonly remoteAddress: string;
  /** Where the client was going: the service's or workload's address at a waypoint. 4 or 16 bytes. */
  readonly destinationIp: Uint8Array;
  /** Canonical text of `destinationIp`. */
  readonly destinationAddress: string;
  readonly destinationPort: number;
  /** Address and port for DOWNSTREAM_LOCAL_ADDRESS. */
  readonly localAddress: string;
  readonly serverName: string | undefined;
  /** Gateways with mutual TLS. */
  readonly clientCertificate: ClientCertificateFacts | undefined;
}
