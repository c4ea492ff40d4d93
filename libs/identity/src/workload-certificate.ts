import { X509Certificate } from 'node:crypto';
import { IdentityError } from './identity-error.ts';
import type { KeyAndCsr } from './key-and-csr.ts';
import { decodePem, encodePem } from './pem.ts';
import { type SpiffeId, parseSpiffeId } from './spiffe-id.ts';
import { type ParsedCertificate, parseCertificate } from './x509-certificate.ts';

/** One certificate as an admin page shows it. */
export interface CertificateSummary {
  readonly pem: string;
  /** Decimal. */
  readonly serialNumber: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/**
 * A workload's certificate with its private key and the roots that came with it. Immutable. The key lives in a private
 * field behind a prototype getter: inspection, JSON, spreading and structured clone do not carry it.
 */
export class WorkloadCertificate {
  readonly identity: SpiffeId;
  /** Leaf, then intermediates, as sent in the TLS handshake. */
  readonly certificateChainPem: string;
  /** Trust anchors for both roles of this identity. */
  readonly rootsPem: string;
  /** Of the leaf, decimal. */
  readonly serialNumber: string;
  /** Wall time. */
  readonly notBeforeMs: number;
  /** Wall time. */
  readonly notAfterMs: number;
  readonly chain: readonly CertificateSummary[];
  readonly roots: readonly CertificateSummary[];
  readonly #privateKeyPem: string;

  constructor(
    identity: SpiffeId,
    chain: readonly [ParsedCertificate, ...ParsedCertificate[]],
    roots: readonly ParsedCertificate[],
    privateKeyPem: string,
  ) {
    const [leaf] = chain;
    this.identity = identity;
    this.chain = chain.map(summarize);
    this.roots = roots.map(summarize);
    this.certificateChainPem = this.chain.map(({ pem }) => pem).join('');
    this.rootsPem = this.roots.map(({ pem }) => pem).join('');
    this.serialNumber = leaf.serialNumber;
    this.notBeforeMs = leaf.notBeforeMs;
    this.notAfterMs = leaf.notAfterMs;
    this.#privateKeyPem = privateKeyPem;
  }

  /** PKCS#8 PEM; hand it to a TLS context and nothing else. */
  get privateKeyPem(): string {
    return this.#privateKeyPem;
  }

  /** Wall time at which half of the lifetime, counted from notBefore, is over. */
  get refreshAtMs(): number {
    return this.notBeforeMs + Math.max(0, this.notAfterMs - this.notBeforeMs) / 2;
  }
}

/** More than any sensible hierarchy; bounds what a broken CA can make us hold. */
const MAX_CHAIN = 10;
const MAX_ROOTS = 100;

/**
 * Checks a CA's answer to a request and turns it into a certificate. Refused with IdentityError CA_RESPONSE_REFUSED: fewer
 * than two entries; an entry but the last with more or less than one certificate; no root; a leaf whose first URI name is
 * not the wanted identity, whose key is not the requested one, or that is not valid at `wallTimeMs`; a chain whose links
 * do not sign each other up to one of the roots.
 *
 * Istio: ztunnel checks count, form and identity; key and signatures are checked here too, so that a faulty CA cannot
 * replace a working certificate by one that no peer accepts.
 */
export function acceptCaResponse(
  identity: SpiffeId,
  certChain: readonly string[],
  request: KeyAndCsr,
  wallTimeMs: number,
): WorkloadCertificate {
  if (certChain.length < 2) throw refused(`${certChain.length} entries; at least a leaf and a root are needed`);
  if (certChain.length > MAX_CHAIN + 1) throw refused('too many entries');
  const [first, ...intermediates] = certChain.slice(0, -1).map(parseOne);
  const roots = parseAll(certChain.at(-1) ?? '', MAX_ROOTS);
  if (first === undefined || roots.length === 0) throw refused('no leaf or no root');
  const found = first.uriSans[0];
  if (found === undefined || parseSpiffeId(found) !== identity)
    throw refused(`the certificate is for ${found ?? 'no identity'}, not for ${identity}`);
  if (!Buffer.from(first.publicKeyInfo).equals(request.publicKeyInfo))
    throw refused('the certificate is for another key');
  if (wallTimeMs >= first.notAfterMs) throw refused('the certificate has already expired');
  checkSignatures([first, ...intermediates], roots);
  return new WorkloadCertificate(identity, [first, ...intermediates], roots, request.privateKeyPem);
}

function checkSignatures(chain: readonly ParsedCertificate[], roots: readonly ParsedCertificate[]): void {
  const certificates = chain.map(({ der }) => new X509Certificate(Buffer.from(der)));
  const anchors = roots.map(({ der }) => new X509Certificate(Buffer.from(der)));
  for (const [index, certificate] of certificates.entries()) {
    const issuer = certificates[index + 1];
    const candidates = issuer === undefined ? anchors : [issuer, ...anchors];
    const signer = candidates.find((candidate) => isIssuedBy(certificate, candidate));
    if (signer === undefined) throw refused(`entry ${index} of the chain is not signed by the next one or a root`);
    if (anchors.some((anchor) => anchor.fingerprint256 === signer.fingerprint256)) return;
  }
  throw refused('the chain does not end in a root');
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function parseOne(pem: string): ParsedCertificate {
  const [certificate, extra] = parseAll(pem, 2);
  if (certificate === undefined || extra !== undefined) throw refused('an entry does not hold exactly one certificate');
  return certificate;
}

function parseAll(pem: string, limit: number): ParsedCertificate[] {
  try {
    return decodePem('CERTIFICATE', pem, limit).map(parseCertificate);
  } catch (error) {
    throw refused(error instanceof Error ? error.message : String(error), error);
  }
}

function summarize(certificate: ParsedCertificate): CertificateSummary {
  const { serialNumber, notBeforeMs, notAfterMs } = certificate;
  return { pem: encodePem('CERTIFICATE', certificate.der), serialNumber, notBeforeMs, notAfterMs };
}

function refused(reason: string, cause?: unknown): IdentityError {
  return new IdentityError('CA_RESPONSE_REFUSED', `the CA's answer is refused: ${reason}`, {
    source: 'upstream',
    retryable: true,
    cause,
  });
}
