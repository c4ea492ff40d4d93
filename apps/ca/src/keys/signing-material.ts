/**
 * The key, certificate and bundle a CA signs with, checked as a whole before anything uses it.
 * Spec: control-plane contract 6.1 step 6 and 6.4.
 */
import { type KeyObject, X509Certificate, createPrivateKey } from 'node:crypto';
import { CertificateSigner, type ParsedCertificate, decodePem, encodePem, parseCertificate } from '@ambit/identity';
import { toAmbitError } from '@ambit/runtime';
import { CaError } from '../ca-error.ts';
import type { TrustFacts } from './rotation-plan.ts';

/** PEM texts as they come from files. */
export interface MaterialPem {
  readonly signingCertificate: string;
  readonly signingKey: string;
  readonly roots: string;
  /** Signing certificate up to, possibly with, the root; may be empty. */
  readonly chain: string;
}

/** Checked material. Holds the private key inside `signer` only. */
export interface SigningMaterial {
  readonly signer: CertificateSigner;
  readonly signingCertificate: ParsedCertificate;
  /** Certificates between a leaf and the root, each one PEM block; empty when a root signs itself. */
  readonly intermediatesPem: readonly string[];
  /** All roots as one text: the last entry of every answer. */
  readonly rootsPem: string;
  /** SHA-256 fingerprints of the roots, upper-case hexadecimal with colons. */
  readonly rootFingerprints: readonly string[];
  /** Fingerprint of the root the signing certificate leads to. */
  readonly signingRoot: string;
  /** Earliest expiry of the roots, wall time. */
  readonly rootNotAfterMs: number;
}

const MAX_CERTIFICATES = 50;

/** What of the material decides whether workloads accept each other. */
export function trustFactsOf(material: SigningMaterial): TrustFacts {
  return { root: material.signingRoot, roots: material.rootFingerprints };
}

/** SHA-256 fingerprints of the certificates of a bundle. Throws CaError KEY_MATERIAL_INVALID for text that is no PEM. */
export function rootFingerprintsOf(pem: string): readonly string[] {
  try {
    return decodePem('CERTIFICATE', pem, MAX_CERTIFICATES).map((der) => x509(der).fingerprint256);
  } catch (error) {
    throw invalid(toAmbitError(error).message, error);
  }
}

/** All certificates of the bundles, each once, in order. Throws CaError KEY_MATERIAL_INVALID for text that is no PEM. */
export function joinRoots(...bundles: readonly string[]): string {
  try {
    const each = bundles.flatMap((pem) => decodePem('CERTIFICATE', pem, MAX_CERTIFICATES));
    return [...new Set(each.map((der) => encodePem('CERTIFICATE', der)))].join('');
  } catch (error) {
    throw invalid(toAmbitError(error).message, error);
  }
}

/**
 * Checks that the key belongs to the certificate, the certificate is a CA's and valid now, and the chain leads to one of
 * the roots. Throws CaError KEY_MATERIAL_INVALID.
 */
export function checkMaterial(pem: MaterialPem, wallTimeMs: number): SigningMaterial {
  try {
    return build(pem, wallTimeMs);
  } catch (error) {
    if (error instanceof CaError) throw error;
    throw invalid(toAmbitError(error).message, error);
  }
}

function build(pem: MaterialPem, wallTimeMs: number): SigningMaterial {
  const key = readKey(pem.signingKey);
  const [signingDer] = decodePem('CERTIFICATE', pem.signingCertificate, MAX_CERTIFICATES);
  if (signingDer === undefined) throw invalid('no signing certificate');
  const signingCertificate = parseCertificate(signingDer);
  const signing = x509(signingDer);
  if (!signing.checkPrivateKey(key)) throw invalid('the key does not belong to the signing certificate');
  if (!signing.ca) throw invalid('the signing certificate is not a CA certificate');
  if (wallTimeMs >= signingCertificate.notAfterMs) throw invalid('the signing certificate has expired');
  const roots = decodePem('CERTIFICATE', pem.roots, MAX_CERTIFICATES);
  if (roots.length === 0) throw invalid('no root certificate');
  const path = pathToRoot(signing, decodePem('CERTIFICATE', pem.chain, MAX_CERTIFICATES).map(x509), roots.map(x509));
  return {
    signer: new CertificateSigner(signingCertificate, key),
    signingCertificate,
    intermediatesPem: path.intermediates.map((certificate) => encodePem('CERTIFICATE', certificate.raw)),
    rootsPem: roots.map((der) => encodePem('CERTIFICATE', der)).join(''),
    rootFingerprints: roots.map((der) => x509(der).fingerprint256),
    signingRoot: path.root.fingerprint256,
    rootNotAfterMs: Math.min(...roots.map((der) => parseCertificate(der).notAfterMs)),
  };
}

interface RootPath {
  /** Signing certificate first; without the root. */
  readonly intermediates: readonly X509Certificate[];
  readonly root: X509Certificate;
}

/** Follows issuers from the signing certificate; the order and completeness of the chain file do not matter. */
function pathToRoot(
  signing: X509Certificate,
  chain: readonly X509Certificate[],
  roots: readonly X509Certificate[],
): RootPath {
  const intermediates: X509Certificate[] = [];
  let current = signing;
  for (;;) {
    const subject = current;
    const self = roots.find((root) => root.fingerprint256 === subject.fingerprint256);
    if (self !== undefined) return { intermediates, root: self };
    if (intermediates.length === MAX_CERTIFICATES) throw invalid('the chain has no end');
    intermediates.push(subject);
    const root = roots.find((candidate) => isIssuedBy(subject, candidate));
    if (root !== undefined) return { intermediates, root };
    const issuer = chain.find((candidate) => isIssuedBy(subject, candidate) && !intermediates.includes(candidate));
    if (issuer === undefined) throw invalid('the chain of the signing certificate does not lead to a root');
    current = issuer;
  }
}

function isIssuedBy(subject: X509Certificate, issuer: X509Certificate): boolean {
  return issuer.ca && subject.checkIssued(issuer) && subject.verify(issuer.publicKey);
}

function x509(der: Uint8Array): X509Certificate {
  return new X509Certificate(Buffer.from(der));
}

function readKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // The parser's message could quote the input.
    throw invalid('the signing key is not an unencrypted PEM private key');
  }
}

function invalid(reason: string, cause?: unknown): CaError {
  return new CaError('KEY_MATERIAL_INVALID', `the CA key material cannot be used: ${reason}`, { cause });
}
