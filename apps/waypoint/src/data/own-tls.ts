import { io, type TlsContext } from '@ambit/net';

import type { CertificateMaterial } from '../worker-protocol.ts';

/** The TLS context of the proxy's own identity. A replaced one stays in use where a handshake has begun. */
export class OwnTls {
  #context: TlsContext | undefined;

  /** Undefined until the first certificate has come. */
  get context(): TlsContext | undefined {
    return this.#context;
  }

  /** Throws NetError `TLS_CONTEXT` for material that cannot be used; the former stays. */
  put({ certificateChainPem, privateKeyPem, rootsPem }: CertificateMaterial): void {
    const material = { certificateChainPem, privateKeyPem, rootsPem };
    this.#context = io.tlsContext({ ...material, role: 'both', checksRevocation: true });
  }
}
