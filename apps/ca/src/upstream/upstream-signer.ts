/** A CA above the mesh's: it signs the certificate the mesh's CA signs with, and its root is the one workloads trust. */
export interface UpstreamSigner {
  /** For messages: which signer it is. */
  readonly name: string;
  /**
   * Has the certificate of a subordinate CA signed. Rejects with CaError UPSTREAM_FAILED that says what to do when it is
   * refused or does not come in time.
   */
  sign(request: UpstreamRequest): Promise<UpstreamAnswer>;
}

export interface UpstreamRequest {
  /** PKCS#10, PEM. */
  readonly csrPem: string;
  /** The life to ask for; the signer may give less. */
  readonly lifetimeMs: number;
}

export interface UpstreamAnswer {
  /** The signed certificate first, then what leads to a root; PEM. */
  readonly chainPem: string;
  /** Certificates the signer wants to be trusted; PEM, may be empty if `chainPem` ends with a root. */
  readonly caPem: string;
}
