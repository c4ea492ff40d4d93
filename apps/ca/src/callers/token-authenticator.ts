import { type CallContext, TokenVerifier, type TokenVerifierOptions } from '@ambit/grpc';
import { isSpiffeId } from '@ambit/identity';
import type { Authentication, CallerAuthenticator } from './caller.ts';

/** Options of {@link TokenAuthenticator}. */
export interface TokenAuthenticatorOptions extends TokenVerifierOptions {
  readonly trustDomain: string;
  /** The cluster whose tokens these keys verify; a call that names another one is refused. */
  readonly clusterId: string;
}

/** Accepts service account tokens verified offline. Stands in for TokenReview where there is no API server. */
export class TokenAuthenticator implements CallerAuthenticator {
  readonly #options: TokenAuthenticatorOptions;
  readonly #verifier: TokenVerifier;

  constructor(options: TokenAuthenticatorOptions) {
    this.#options = options;
    this.#verifier = new TokenVerifier(options);
  }

  async authenticate(call: CallContext): Promise<Authentication> {
    const header = call.header('authorization');
    if (header === undefined) return { kind: 'no-credentials' };
    const clusterId = call.header('clusterid');
    if (clusterId !== undefined && clusterId !== this.#options.clusterId)
      return refused('a token of an unknown cluster');
    const verdict = await this.#verifier.verify(header);
    if (verdict.kind === 'refused') return verdict;
    const identity = `spiffe://${this.#options.trustDomain}/ns/${verdict.namespace}/sa/${verdict.serviceAccount}`;
    if (!isSpiffeId(identity)) return refused('the service account cannot be written as a SPIFFE id');
    return { kind: 'caller', caller: { identity, pod: verdict.pod, method: 'token' } };
  }
}

function refused(reason: string): Authentication {
  return { kind: 'refused', reason };
}
