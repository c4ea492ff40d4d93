import type { PeerIdentity } from '../connection-context.ts';

/** What a verified JWT says, as policies ask for it. */
export interface TokenFacts {
  readonly issuer: string;
  readonly subject: string;
  readonly audiences: readonly string[];
  /** The claim `azp`. */
  readonly presenter: string | undefined;
  /**
   * The strings at a path of claims: one for a string, all strings of a list, the words of a space-delimited claim. Empty
   * when there is nothing or it is no string: numbers and booleans match no value of a policy.
   */
  claim(path: readonly string[]): readonly string[];
}

/**
 * The facts about one request (or, without `http`, one TCP connection) that a policy of a waypoint or gateway may look
 * at. Addresses are 4 or 16 raw bytes. Spec: contract l7 4.3.
 */
export interface RequestFacts {
  /** The verified identity of the tunnel or TLS client. */
  readonly peer: PeerIdentity | undefined;
  /** The address of the connection; at a waypoint the original pod's. Never a header's claim. */
  readonly sourceIp: Uint8Array;
  /** The client as X-Forwarded-For or PROXY tell it; may be forged by clients inside the mesh. */
  readonly remoteIp: Uint8Array;
  readonly destinationIp: Uint8Array;
  /** At a waypoint the service's port; for traffic to a workload the pod's. */
  readonly destinationPort: number;
  readonly serverName: string | undefined;
  readonly http: HttpFacts | undefined;
}

/** The part that only HTTP has. */
export interface HttpFacts {
  readonly method: string;
  /** Host or `:authority` as sent, with port if it has one. */
  readonly host: string;
  /** Normalised, without query and fragment: exactly what is forwarded. */
  readonly path: string;
  /** Undefined without a verified token. */
  readonly token: TokenFacts | undefined;
  /** By lower-case name; repeated fields joined with a comma; undefined if absent. */
  header(lowerName: string): string | undefined;
  /** The values of a field that came more than once, each by itself; undefined otherwise. */
  repeatedHeader?(lowerName: string): readonly string[] | undefined;
}
