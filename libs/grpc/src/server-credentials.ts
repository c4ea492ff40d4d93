import { constants } from 'node:crypto';
import { type SecureContextOptions, createSecureContext } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';

/** What a TLS server presents and trusts; all PEM. */
export interface ServerTlsMaterial {
  /** Leaf first, then intermediates. */
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
  /** Roots for client certificates; needed when client certificates are asked for. */
  readonly clientRootsPem?: string;
}

/**
 * How client certificates are treated. `optional` asks for one and lets a connection without one, or with one that does
 * not verify, go on *unauthenticated*: {@link CallContext.clientCertificate} is set only after successful verification.
 */
export type ClientCertificateMode = 'none' | 'optional' | 'required';

/**
 * Server credentials whose certificate can be replaced while connections are open: handshakes that begin after `update`
 * use the new material, established connections are not touched. Session tickets are off, so that no client resumes a
 * session that was verified against roots which have since been removed.
 */
export class TlsServerCredentials extends ServerCredentials {
  constructor(material: ServerTlsMaterial, clientCertificates: ClientCertificateMode = 'none') {
    super(
      {
        requestCert: clientCertificates !== 'none',
        rejectUnauthorized: clientCertificates === 'required',
        ALPNProtocols: ['h2'],
      },
      contextOptions(material),
    );
  }

  /** Swaps certificate, key and client roots for handshakes to come. Throws, changing nothing, if they do not fit together. */
  update(material: ServerTlsMaterial): void {
    this.updateSecureContextOptions(contextOptions(material));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

function contextOptions(material: ServerTlsMaterial): SecureContextOptions {
  const options: SecureContextOptions = {
    cert: material.certificateChainPem,
    key: material.privateKeyPem,
    // An empty list keeps Node from trusting the public roots when client certificates are not expected.
    ca: material.clientRootsPem ?? [],
    minVersion: 'TLSv1.2',
    ciphers: CIPHERS,
    honorCipherOrder: true,
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
  // Building a context checks that the key belongs to the certificate before any server sees the pair.
  createSecureContext(options);
  return options;
}

const CIPHERS: string = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
].join(':');
