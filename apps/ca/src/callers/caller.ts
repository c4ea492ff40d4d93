import type { BoundPod, CallContext } from '@ambit/grpc';
import type { SpiffeId } from '@ambit/identity';

/** Who calls, after authentication. */
export interface Caller {
  readonly identity: SpiffeId;
  /** Undefined for a client certificate and for tokens that are not bound to a pod. */
  readonly pod: BoundPod | undefined;
  readonly method: 'token' | 'client-certificate';
}

/** What an authenticator found: a caller, nothing it could judge by, or credentials it refuses. */
export type Authentication =
  | { readonly kind: 'caller'; readonly caller: Caller }
  | { readonly kind: 'no-credentials' }
  | { readonly kind: 'refused'; readonly reason: string };

/** One way to authenticate callers. Implementations: client certificate, JWT file; later TokenReview. */
export interface CallerAuthenticator {
  /** Never rejects for bad credentials; a rejection means that this authenticator itself failed. */
  authenticate(call: CallContext): Promise<Authentication>;
}
