import type { DownstreamFacts } from './downstream-facts.ts';

/**
 * The value of `x-forwarded-client-cert` that goes to the backend; the client's own has been removed. At a waypoint only when
 * asked for, and then who the mesh proved the client to be; at a gateway what mutual TLS showed. Spec: contract l7 4.8.
 */
export function clientCertificateText(
  facts: DownstreamFacts,
  isGateway: boolean,
  includesIdentity: boolean,
  ownIdentity: string,
): string | undefined {
  if (isGateway) return ofCertificate(facts, ownIdentity);
  if (!includesIdentity || facts.peer === undefined) return undefined;
  return `By=${ownIdentity};URI=spiffe://${facts.peer.principal}`;
}

function ofCertificate({ clientCertificate }: DownstreamFacts, ownIdentity: string): string | undefined {
  if (clientCertificate === undefined) return undefined;
  const { sha256Hex, pem, subject, uris, dnsNames } = clientCertificate;
  const parts = [
    `By=${ownIdentity}`,
    `Hash=${sha256Hex}`,
    `Cert="${encodeURIComponent(pem)}"`,
    `Subject="${quotable(subject)}"`,
  ];
  for (const uri of uris) parts.push(`URI=${separable(uri)}`);
  for (const name of dnsNames) parts.push(`DNS=${separable(name)}`);
  return parts.join(';');
}

/** Text of a certificate must not end its quotes. */
function quotable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&');
}

/** Nor begin a part of its own. */
function separable(text: string): string {
  return text.replace(/[^\x21-\x7e]|[;,="\\]/g, escapeCharacter);
}

function escapeCharacter(character: string): string {
  const hex = Buffer.from(character, 'utf8').toString('hex').toUpperCase();
  return hex.replace(/../g, '%$&');
}
