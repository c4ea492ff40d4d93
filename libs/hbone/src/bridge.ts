import type { HboneError } from './hbone-error.ts';

/** How a bridge ended. Orderly endings, resets by peers included, have no `error`. */
export interface BridgeResult {
  /** From the bridged socket into the tunnel (TcpBridge: from the first socket to the second). */
  readonly bytesToPeer: number;
  /** From the tunnel to the bridged socket. */
  readonly bytesFromPeer: number;
  readonly error?: HboneError;
  /** An abrupt ending that counts as success, for debug logs. Spec: data-plane 1.9. */
  readonly swallowed?: HboneError;
}

/** Told once, when both directions have ended and the bridge's descriptors are closed. */
export interface BridgeSink {
  onClose(result: BridgeResult): void;
}

/** A running copy between a socket and a tunnel, or between two sockets. */
export interface Bridge {
  /** Live counters. */
  readonly bytesToPeer: number;
  readonly bytesFromPeer: number;
  /** Ends both directions now, with `reason` as the error of the result. No effect on a bridge that has ended. */
  abort(reason: HboneError): void;
}

export interface BridgeOptions {
  /** Written to the socket before anything from the tunnel, for the PROXY header. Not counted. */
  readonly prelude?: Uint8Array;
  /** Bytes of this socket that were sent before the bridge began. */
  readonly bytesAlreadySent?: number;
}
