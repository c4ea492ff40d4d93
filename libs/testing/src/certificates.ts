/**
 * Certificates for tests, made in memory with the real certificate writer: a root, optionally an intermediate, leaves.
 * P-256 only; a CA takes about a millisecond to make, a leaf less.
 */
import { type KeyObject, generateKeyPairSync } from 'node:crypto';
import { CertificateSigner, encodePem, parseCertificate, selfSignAuthority } from '@ambit/identity';

/** What a test wants of a leaf; everything has a usable default. */
export interface TestLeafOptions {
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  /** URI names besides the identity. */
  readonly uris?: readonly string[];
  /** Default one minute ago. */
  readonly notBeforeMs?: number;
  /** Default one hour from now. */
  readonly notAfterMs?: number;
  readonly purposes?: readonly ('serverAuth' | 'clientAuth')[];
}

/** A leaf with its key; the same fields as a WorkloadCertificate of libs/identity. */
export interface TestCertificate {
  /** First URI name, or an empty string. */
  readonly identity: string;
  /** Leaf, then the intermediate if there is one. */
  readonly certificateChainPem: string;
  /** PKCS#8. */
  readonly privateKeyPem: string;
  readonly rootsPem: string;
  readonly serialNumber: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** A CA that exists for one test. */
export interface TestCa {
  readonly rootsPem: string;
  /** The signing certificate and key, for code that is given CA material. */
  readonly signingCertificatePem: string;
  readonly signingKeyPem: string;
  /** Certificates between leaf and root; empty if the root signs itself. */
  readonly intermediatesPem: string;
  /** Issues a leaf for a SPIFFE id, or without one when only DNS names or addresses are wanted (`undefined`). */
  issue(identity: string | undefined, options?: TestLeafOptions): TestCertificate;
}

/** Makes a CA. With `intermediate` leaves are signed by an intermediate of the root. */
export function makeTestCa(options: { readonly trustDomain?: string; readonly intermediate?: boolean } = {}): TestCa {
  const organization = options.trustDomain ?? 'cluster.local';
  const validity = { notBeforeMs: wholeSecond(-3600), notAfterMs: wholeSecond(10 * 365 * 86_400) };
  const rootKeys = newKeys();
  const root = selfSignAuthority({ publicKey: rootKeys.publicKey, organization, ...validity }, rootKeys.privateKey);
  const rootsPem = encodePem('CERTIFICATE', root.der);
  const rootSigner = new CertificateSigner(root, rootKeys.privateKey);
  if (options.intermediate !== true) return new SigningCa(rootSigner, rootKeys.privateKey, rootsPem, rootsPem, '');

  const keys = newKeys();
  const template = {
    publicKey: keys.publicKey,
    organization,
    commonName: 'intermediate',
    maxPathLength: 0,
    ...validity,
  };
  const certificate = parseCertificate(rootSigner.issueAuthority(template).der);
  const pem = encodePem('CERTIFICATE', certificate.der);
  return new SigningCa(new CertificateSigner(certificate, keys.privateKey), keys.privateKey, rootsPem, pem, pem);
}

class SigningCa implements TestCa {
  readonly rootsPem: string;
  readonly signingCertificatePem: string;
  readonly signingKeyPem: string;
  readonly intermediatesPem: string;
  readonly #signer: CertificateSigner;

  constructor(
    signer: CertificateSigner,
    key: KeyObject,
    rootsPem: string,
    signingCertificatePem: string,
    intermediatesPem: string,
  ) {
    this.#signer = signer;
    this.signingKeyPem = exportKey(key);
    this.rootsPem = rootsPem;
    this.signingCertificatePem = signingCertificatePem;
    this.intermediatesPem = intermediatesPem;
  }

  issue(identity: string | undefined, options: TestLeafOptions = {}): TestCertificate {
    const keys = newKeys();
    const notBeforeMs = options.notBeforeMs ?? wholeSecond(-60);
    const notAfterMs = options.notAfterMs ?? wholeSecond(3600);
    const issued = this.#signer.issueLeaf({
      publicKeyInfo: keys.publicKey.export({ type: 'spki', format: 'der' }),
      altNames: {
        uris: [...(identity === undefined ? [] : [identity]), ...(options.uris ?? [])],
        dnsNames: options.dnsNames ?? [],
        ipAddresses: options.ipAddresses ?? [],
      },
      notBeforeMs,
      notAfterMs,
      ...(options.purposes === undefined ? {} : { purposes: options.purposes }),
    });
    return {
      identity: identity ?? '',
      certificateChainPem: encodePem('CERTIFICATE', issued.der) + this.intermediatesPem,
      privateKeyPem: exportKey(keys.privateKey),
      rootsPem: this.rootsPem,
      serialNumber: parseCertificate(issued.der).serialNumber,
      notBeforeMs,
      notAfterMs,
    };
  }
}

interface Keys {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

function newKeys(): Keys {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

function exportKey(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** A certificate holds whole seconds. */
function wholeSecond(fromNowSec: number): number {
  return (Math.floor(Date.now() / 1000) + fromNowSec) * 1000;
}
