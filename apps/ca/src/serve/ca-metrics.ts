import type { Clock } from '@ambit/runtime';
import type { MetricRegistry } from '@ambit/telemetry';
import type { CertificateAuthority } from '../issue/certificate-authority.ts';

/** Counts of the CA. */
export interface CaMetrics {
  requests: number;
  issued: number;
  csrErrors: number;
  authenticationFailures: number;
  signErrors: number;
}

/**
 * Registers the metrics under the names Istio's dashboards use. Istio exposes these counters without the suffix that the
 * registry gives to counters, so they are registered as gauges.
 * Spec: control-plane contract 9.7.
 */
export function registerCaMetrics(
  registry: MetricRegistry,
  authority: CertificateAuthority,
  clock: Pick<Clock, 'wallTimeMs'>,
): CaMetrics {
  const counts: CaMetrics = { requests: 0, issued: 0, csrErrors: 0, authenticationFailures: 0, signErrors: 0 };
  const gauge = (name: string, help: string, read: () => number): void => {
    registry.computed('gauge', { name, help }, () => [{ labelValues: [], value: read() }]);
  };
  gauge('citadel_server_csr_count', 'Requests for a certificate', () => counts.requests);
  gauge('citadel_server_success_cert_issuance_count', 'Certificates issued', () => counts.issued);
  gauge('citadel_server_csr_parsing_err_count', 'Requests with an unacceptable CSR or TTL', () => counts.csrErrors);
  gauge(
    'citadel_server_authentication_failure_count',
    'Requests refused by authentication',
    () => counts.authenticationFailures,
  );
  gauge('citadel_server_csr_sign_err_count', 'Requests that failed inside the CA', () => counts.signErrors);
  gauge('citadel_server_root_cert_expiry_timestamp', 'Unix time at which the first root expires', () => {
    return authority.material.rootNotAfterMs / 1000;
  });
  gauge('citadel_server_root_cert_expiry_seconds', 'Seconds until the first root expires', () => {
    return (authority.material.rootNotAfterMs - clock.wallTimeMs()) / 1000;
  });
  gauge('citadel_server_cert_chain_expiry_timestamp', 'Unix time at which the signing certificate expires', () => {
    return authority.material.signingCertificate.notAfterMs / 1000;
  });
  return counts;
}
