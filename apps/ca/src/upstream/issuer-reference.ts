/** The setting `AMBIT_CA_UPSTREAM`. */

/** An issuer of cert-manager, or one of another group that answers CertificateRequests. */
export interface IssuerReference {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
}

const FORM = /^cert-manager:(?:([A-Za-z]+)(?:\.([a-z0-9.-]+))?\/)?([a-z0-9]([a-z0-9.-]*[a-z0-9])?)$/;

/**
 * Parses `cert-manager:<issuer>`, `cert-manager:<Kind>/<issuer>` or `cert-manager:<Kind>.<group>/<issuer>`; without a kind
 * it is an Issuer of the CA's namespace. Throws for another form.
 */
export function parseIssuerReference(text: string): IssuerReference {
  const [, kind = 'Issuer', group = 'cert-manager.io', name] = FORM.exec(text) ?? [];
  if (name === undefined) {
    throw new Error(`expected cert-manager:[Kind[.group]/]issuer such as cert-manager:ClusterIssuer/mesh, not ${text}`);
  }
  return { group, kind, name };
}
