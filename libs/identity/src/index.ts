export {
  type AuthorityTemplate,
  CertificateSigner,
  type IssuedCertificate,
  type LeafTemplate,
  type SubjectAltNames,
  selfSignAuthority,
} from './certificate-writer.ts';
export { type VerifiedCsr, readCsr } from './csr-reader.ts';
export { IdentityError, type IdentityErrorCode } from './identity-error.ts';
export { KeyAndCsr, createAuthorityKeyAndCsr, createKeyAndCsr } from './key-and-csr.ts';
export { decodePem, encodePem } from './pem.ts';
export { requireSupportedKey } from './signing-key.ts';
export {
  type SpiffeId,
  type SpiffeIdParts,
  isSpiffeId,
  makeSpiffeId,
  parseSpiffeId,
  spiffeIdParts,
} from './spiffe-id.ts';
export { type ParsedCertificate, parseCertificate } from './x509-certificate.ts';
export { type CaClient, GrpcCaClient, type GrpcCaClientOptions } from './ca-client.ts';
export {
  type CertificateEvent,
  CertificateManager,
  type CertificateManagerOptions,
  type CertificateStatus,
} from './certificate-manager.ts';
export { type FetchPriority } from './fetch-queue.ts';
export { type CertificateSummary, WorkloadCertificate, acceptCaResponse } from './workload-certificate.ts';
