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
  /** Of an address with a port: one of both. */
  | { readonly kind: 'address-part'; readonly name: LogValueName; readonly part: 'host' | 'port' }
  | { readonly kind: 'long-flags' }
  | { readonly kind: 'grpc-status'; readonly style: 'camel' | 'snake' | 'number' }
  | { readonly kind: 'expression'; readonly valueOf: LoggedExpression; readonly maxChars: number | undefined }
  /** Nothing is known of it: shown as what is missing. */
  | { readonly kind: 'absent' };

/** A finished request or connection, as the log asks for it. Undefined is shown as `-`, or null in JSON. */
export interface LoggedRequest {
  readonly startWallTimeMs: number;
  value(name: LogValueName): string | number | undefined;
  /** By lower-case name; pseudo headers with their colon. */
  header(of: 'request' | 'response' | 'trailers', lowerName: string): string | undefined;
}

export type LoggedExpression = (request: LoggedRequest) => string | number | boolean | undefined;

/** What the process that writes knows of itself. */
export interface LogConstants {
  readonly hostname: string;
  /** A variable of its environment. */
  environment(name: string): string | undefined;
  /** What is asked of requests by an expression; undefined for a text that is none. */
  expression(text: string): LoggedExpression | undefined;
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
  'RESPONSE_TX_DURATION',
  'UPSTREAM_HOST',
  'UPSTREAM_CLUSTER',
  'UPSTREAM_CLUSTER_RAW',
  'UPSTREAM_LOCAL_ADDRESS',
  'UPSTREAM_REQUEST_ATTEMPT_COUNT',
  'DOWNSTREAM_LOCAL_ADDRESS',
  'DOWNSTREAM_REMOTE_ADDRESS',
  'DOWNSTREAM_DIRECT_REMOTE_ADDRESS',
  'DOWNSTREAM_PEER_URI_SAN',
  'REQUESTED_SERVER_NAME',
  'ROUTE_NAME',
  'GRPC_STATUS_NUMBER',
  'TRACE_ID',
  'SPAN_ID',
  'LOCAL_REPLY_BODY',
] as const;
export type LogValueName = (typeof logValueNames)[number];
