/** What one place of a request log shows. Names are those of Envoy's format strings, which users write. */
export type LogOperator =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'value'; readonly name: LogValueName }
  | { readonly kind: 'start-time'; readonly format: string | undefined }
  | {
      readonly kind: 'header';
      readonly of: 'request' | 'response' | 'trailers';
      /** Lower case; pseudo headers with their colon. */
      readonly name: string;
      /** Shown when the first is absent. */
      readonly fallback: string | undefined;
      readonly maxChars: number | undefined;
      readonly dropsQuery: boolean;
    }
  /** Nothing is known of it: shown as what is missing. */
  | { readonly kind: 'absent' };

/** What the process that writes knows of itself. */
export interface LogConstants {
  readonly hostname: string;
  /** A variable of its environment. */
  environment(name: string): string | undefined;
}

/** Operators without arguments. */
export const logValueNames = [
  'PROTOCOL',
  'RESPONSE_CODE',
  'RESPONSE_CODE_DETAILS',
  'RESPONSE_FLAGS',
  'CONNECTION_TERMINATION_DETAILS',
  'UPSTREAM_TRANSPORT_FAILURE_REASON',
  'BYTES_RECEIVED',
  'BYTES_SENT',
  'DURATION',
  'REQUEST_DURATION',
  'RESPONSE_DURATION',
  'UPSTREAM_HOST',
  'UPSTREAM_CLUSTER',
  'UPSTREAM_CLUSTER_RAW',
  'UPSTREAM_LOCAL_ADDRESS',
  'UPSTREAM_REQUEST_ATTEMPT_COUNT',
  'DOWNSTREAM_LOCAL_ADDRESS',
  'DOWNSTREAM_REMOTE_ADDRESS',
  'DOWNSTREAM_PEER_URI_SAN',
  'REQUESTED_SERVER_NAME',
  'ROUTE_NAME',
  'GRPC_STATUS',
  'TRACE_ID',
] as const;
export type LogValueName = (typeof logValueNames)[number];
