/** Certificates in the words of the admin dump; never a key. Pure. Istio: contract data-plane 7.5. */
import type { CertificateStatus, CertificateSummary } from '@ambit/identity';
import type { Json } from './dump-workload.ts';

/** Sorted by identity. */
export function dumpCertificates(statuses: readonly CertificateStatus[]): Json {
  return statuses
    .toSorted((one, other) => (one.identity < other.identity ? -1 : 1))
    .map(({ identity, state, certificate }) => ({
      identity,
      state,
      certChain: certificate?.chain.map(summary) ?? [],
      rootCerts: certificate?.roots.map(summary) ?? [],
    }));
}

function summary({ pem, serialNumber, notBeforeMs, notAfterMs }: CertificateSummary): Json {
  return {
    pem: Buffer.from(pem).toString('base64'),
    serialNumber,
    validFrom: rfc3339(notBeforeMs),
    expirationTime: rfc3339(notAfterMs),
  };
}

/** Seconds, UTC. */
function rfc3339(wallTimeMs: number): string {
  return new Date(wallTimeMs).toISOString().replace(/\.\d{3}Z$/, 'Z');
}
