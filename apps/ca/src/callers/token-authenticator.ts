import type { CallContext, TokenVerdict } from '@ambit/grpc';
import { isSpiffeId } from '@ambit/identity';
import type { Authentication, CallerAuthenticator } from './caller.ts';

/** Judges the value of an `authorization` header: offline by a key set, or by the API server. Never rejects. */
export interface TokenJudge {
  verify(header: string | undefined): Promise<TokenVerdict>;
}

/** Options of {@link TokenAuthenticator}. */
export interface TokenAuthenticatorOptions {
  readonly judge: TokenJudge;
  readonly trustDomain: string;
  /** The cluster whose tokens are judged; a call that names another one is refused. */
  readonly clusterId: string;
}

/** Accepts service account tokens. */
export class TokenAuthenticator implements CallerAuthenticator {
  readonly #options: TokenAuthenticatorOptions;

  constructor(options: TokenAuthenticatorOptions) {
    this.#options = options;
  }

  async authenticate(call: CallContext): Promise<Authentication> {
    const header = call.header('authorization');
    if (header === undefined) return { kind: 'no-credentials' };
    const clusterId = call.header('clusterid');
    if (clusterId !== undefined && clusterId !== this.#options.clusterId)
      return refused('a token of an unknown cluster');
    const verdict = await this.#options.judge.verify(header);
    if (verdict.kind === 'refused') return verdict;
    const identity = `spiffe://${this.#options.trustDomain}/ns/${verdict.namespace}/sa/${verdict.serviceAccount}`;
    if (!isSpiffeId(identity)) return refused('the service account cannot be written as a SPIFFE id');
    return { kind: 'caller', caller: { identity, pod: verdict.pod, method: 'token' } };
  }
}

function refused(reason: string): Authentication {
  return { kind: 'refused', reason };
}
