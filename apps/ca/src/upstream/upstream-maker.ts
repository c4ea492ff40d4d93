/**
 * Makes sets whose signing certificate comes from a CA above: a key of our own, its certificate and the root from there.
 * Certificates of workloads are still signed here, so their rate does not depend on the signer above.
 */
import { X509Certificate } from 'node:crypto';
import { createAuthorityKeyAndCsr, decodePem, encodePem } from '@ambit/identity';
import { toAmbitError } from '@ambit/runtime';
import { CaError } from '../ca-error.ts';
import { type SetMaker, intermediateSecretName, selfMadeSecretName } from '../keys/set-maker.ts';
import type { MaterialPem } from '../keys/signing-material.ts';
import type { UpstreamAnswer, UpstreamSigner } from './upstream-signer.ts';

/** How sets are asked for. */
export interface UpstreamMakerOptions {
  readonly signer: UpstreamSigner;
  readonly trustDomain: string;
  readonly lifetimeMs: number;
}

const MAX_CERTIFICATES = 20;

export function upstreamMaker({ signer, trustDomain, lifetimeMs }: UpstreamMakerOptions): SetMaker {
  return {
    secretName: intermediateSecretName,
    secretType: 'Opaque',
    supersedes: selfMadeSecretName,
    // Early enough for somebody to notice that the signer does not answer.
    renewAtPart: 1 / 3,
    make: async () => {
      const key = createAuthorityKeyAndCsr({ organization: trustDomain, commonName: 'ambit-ca' });
      const answer = await signer.sign({ csrPem: key.csrPem, lifetimeMs });
      return assembleSet(signer.name, answer, key.privateKeyPem);
    },
  };
}

/** Sorts an answer into a set. Throws CaError UPSTREAM_FAILED if it names no root. Exported for tests. */
export function assembleSet(signer: string, { chainPem, caPem }: UpstreamAnswer, signingKey: string): MaterialPem {
  const [signing, ...others] = certificatesOf(signer, `${chainPem}\n${caPem}`);
  if (signing === undefined) throw upstreamFailed(`${signer} answered without a certificate`);
  const roots = others.filter((certificate) => certificate.checkIssued(certificate));
  const links = others.filter((certificate) => !certificate.checkIssued(certificate));
  if (roots.length === 0) {
    throw upstreamFailed(
      `${signer} answered without a self-signed root, which workloads would need to trust; let the issuer give its root ` +
        'beside the certificate, or bring the set yourself as Secret cacerts',
    );
  }
  const signingCertificate = pemOf([signing]);
  return { signingCertificate, signingKey, roots: pemOf(roots), chain: signingCertificate + pemOf(links) };
}

/** An error of a signer above. */
export function upstreamFailed(message: string, cause?: unknown): CaError {
  return new CaError('UPSTREAM_FAILED', message, { source: 'upstream', retryable: true, cause });
}

function certificatesOf(signer: string, pem: string): readonly X509Certificate[] {
  try {
    const each = decodePem('CERTIFICATE', pem, MAX_CERTIFICATES).map((der) => new X509Certificate(der));
    const seen = new Set<string>();
    return each.filter(({ fingerprint256 }) => !seen.has(fingerprint256) && seen.add(fingerprint256));
  } catch (cause) {
    throw upstreamFailed(
      `${signer} answered with something else than certificates: ${toAmbitError(cause).message}`,
      cause,
    );
  }
}

function pemOf(certificates: readonly X509Certificate[]): string {
  return certificates.map(({ raw }) => encodePem('CERTIFICATE', raw)).join('');
}
