import { generateKeyPairSync } from 'node:crypto';
import { type ServerTlsMaterial, TlsServerCredentials } from '@ambit/grpc';
import type { Clock } from '@ambit/runtime';
import type { CertificateAuthority } from '../issue/certificate-authority.ts';
import type { ServingNames } from '../issue/serving-names.ts';

/** Istio's own serving certificate lives ten years; ours is renewed long before a day is over. */
const LIFETIME_MS = 24 * 3_600_000;

/**
 * The certificate of the CA's own port, issued by the CA itself with a key that is made anew each time and never leaves
 * memory. Renewed at half life and whenever the signing material changes; open connections are not touched.
 */
export class ServingCertificate implements Disposable {
  /** For the server that listens. Client certificates are optional and checked against the mesh's roots. */
  readonly credentials: TlsServerCredentials;
  readonly #authority: CertificateAuthority;
  readonly #names: ServingNames;
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  readonly #subscription: Disposable;
  #timer: Disposable | undefined;

  constructor(authority: CertificateAuthority, names: ServingNames, clock: Clock, onError: (error: unknown) => void) {
    this.#authority = authority;
    this.#names = names;
    this.#clock = clock;
    this.#onError = onError;
    this.credentials = new TlsServerCredentials(this.#issue(), 'optional');
    this.#subscription = authority.onReplaced(() => this.#renew());
    this.#schedule();
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#subscription[Symbol.dispose]();
  }

  #renew(): void {
    try {
      this.credentials.update(this.#issue());
    } catch (error) {
      this.#onError(error);
    }
    this.#schedule();
  }

  #schedule(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = this.#clock.after(LIFETIME_MS / 2, () => this.#renew());
  }

  #issue(): ServerTlsMaterial {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { certChain } = this.#authority.issue({
      publicKeyInfo: publicKey.export({ type: 'spki', format: 'der' }),
      altNames: this.#names,
      commonName: '',
      ttlMs: LIFETIME_MS,
    });
    return {
      certificateChainPem: certChain.slice(0, -1).join(''),
      privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      clientRootsPem: certChain.at(-1) ?? '',
    };
  }
}
