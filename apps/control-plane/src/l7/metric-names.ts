/** Istio's standard metrics by the names that Telemetry resources may use. Spec: contract l7 7.2. */
const names: ReadonlyMap<string, string> = new Map(
  [
    ['REQUEST_COUNT', 'requests_total'],
    ['REQUEST_DURATION', 'request_duration_milliseconds'],
    ['REQUEST_SIZE', 'request_bytes'],
    ['RESPONSE_SIZE', 'response_bytes'],
    ['GRPC_REQUEST_MESSAGES', 'request_messages_total'],
    ['GRPC_RESPONSE_MESSAGES', 'response_messages_total'],
    ['TCP_OPENED_CONNECTIONS', 'tcp_connections_opened_total'],
    ['TCP_CLOSED_CONNECTIONS', 'tcp_connections_closed_total'],
    ['TCP_SENT_BYTES', 'tcp_sent_bytes_total'],
    ['TCP_RECEIVED_BYTES', 'tcp_received_bytes_total'],
  ].flatMap(([word = '', name = '']) => [word, name, `istio_${name}`].map((one) => [one, word] as const)),
);

/** Stands for all of them. */
export const allMetrics = 'ALL_METRICS';

/** In the order of Istio's reference. */
export const standardMetrics: readonly string[] = [...new Set(names.values())];

/** The metrics that are meant, as Istio's words; empty for a name that is none of them. */
export function metricsNamed(name: string): readonly string[] {
  if (name === allMetrics) return standardMetrics;
  const word = names.get(name);
  return word === undefined ? [] : [word];
}
