import type { CallContext } from '@ambit/grpc';
import { parseCertificate, parseSpiffeId, spiffeIdParts } from '@ambit/identity';
import type { Authentication, CallerAuthenticator } from './caller.ts';

/**
 * Accepts the certificate this CA issued before. The TLS server has verified the chain against the mesh roots already
 * (otherwise the context holds no certificate); here the identity is read. Used for renewal without a token.
 */
export class ClientCertificateAuthenticator implements CallerAuthenticator {
  readonly #trustDomain: string;

  constructor(trustDomain: string) {
    this.#trustDomain = trustDomain;
  }

  authenticate(call: CallContext): Promise<Authentication> {
    return Promise.resolve(this.#judge(call.clientCertificate));
  }

  #judge(der: Uint8Array | undefined): Authentication {
    if (der === undefined) return { kind: 'no-credentials' };
    const [uri = ''] = parseCertificate(der).uriSans;
    const identity = parseSpiffeId(uri);
    if (identity === undefined) return { kind: 'refused', reason: 'the client certificate names no SPIFFE id' };
    if (spiffeIdParts(identity).trustDomain !== this.#trustDomain) {
      return { kind: 'refused', reason: 'the client certificate is of another trust domain' };
    }
    return { kind: 'caller', caller: { identity, pod: undefined, method: 'client-certificate' } };
  }
}
