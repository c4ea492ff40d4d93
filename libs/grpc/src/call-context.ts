import type { PeerCertificate } from 'node:tls';
import type { Metadata } from '@grpc/grpc-js';

/** What a handler may know about the call it serves. */
export interface CallContext {
  /** Aborted when the caller cancels, its deadline passes, or the connection breaks. */
  readonly signal: AbortSignal;
  /** Remote address as `ip:port`; for logs only. */
  readonly peer: string;
  /** DER of the client's leaf certificate, only if it verified against the server's client roots. */
  readonly clientCertificate: Uint8Array | undefined;
  /** First value of a header, lower-case name; undefined if absent. */
  header(name: string): string | undefined;
}

/** The part of a grpc-js server call the context reads. */
interface ServerCall {
  readonly metadata: Metadata;
  once(event: 'cancelled', listener: () => void): unknown;
  getPeer(): string;
  getAuthContext(): { readonly sslPeerCertificate?: PeerCertificate | undefined };
}

/** Builds the context of one call. */
export function callContext(call: ServerCall): CallContext {
  const controller = new AbortController();
  call.once('cancelled', () => controller.abort(new Error('the caller cancelled')));
  return {
    signal: controller.signal,
    peer: call.getPeer(),
    clientCertificate: call.getAuthContext().sslPeerCertificate?.raw,
    header: (name) => {
      const value = call.metadata.get(name)[0];
      return typeof value === 'string' ? value : undefined;
    },
  };
}
