import { type LogConstants, type LogOperator, type LogValueName, logValueNames } from './log-operator.ts';

/** A format string taken apart, with the operators that are not known: they show `-`. */
export interface ParsedLogFormat {
  readonly operators: readonly LogOperator[];
  readonly unknown: readonly string[];
}

/** Longest format and most operators: a format is written for every request. */
const maxFormatChars = 16_384;

const operatorText = /%(?:%|([A-Z0-9_]+)(?:\(([^)%]*|[^)]*)\))?(?::([0-9]{1,5}))?%)/g;
const knownValues: ReadonlySet<string> = new Set(logValueNames);

/** Istio's default text, without the line end. */
export const defaultLogFormat: string =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% ' +
  '%BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" ' +
  '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% ' +
  '%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%';

/** Keys of Istio's default JSON line, in its order. */
export const defaultJsonLogFormat: Readonly<Record<string, string>> = {
  start_time: '%START_TIME%',
  route_name: '%ROUTE_NAME%',
  method: '%REQ(:METHOD)%',
  path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  protocol: '%PROTOCOL%',
  response_code: '%RESPONSE_CODE%',
  response_flags: '%RESPONSE_FLAGS%',
  response_code_details: '%RESPONSE_CODE_DETAILS%',
  connection_termination_details: '%CONNECTION_TERMINATION_DETAILS%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  duration: '%DURATION%',
  upstream_service_time: '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
  x_forwarded_for: '%REQ(X-FORWARDED-FOR)%',
  user_agent: '%REQ(USER-AGENT)%',
  request_id: '%REQ(X-REQUEST-ID)%',
  authority: '%REQ(:AUTHORITY)%',
  upstream_host: '%UPSTREAM_HOST%',
  upstream_cluster: '%UPSTREAM_CLUSTER_RAW%',
  upstream_local_address: '%UPSTREAM_LOCAL_ADDRESS%',
  downstream_local_address: '%DOWNSTREAM_LOCAL_ADDRESS%',
  downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
  requested_server_name: '%REQUESTED_SERVER_NAME%',
  upstream_transport_failure_reason: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
};

const noConstants: LogConstants = { hostname: '', environment: () => undefined };

/** Takes a format apart once, when configuration arrives. Throws RangeError for one that is too long. Istio: accessLogFormat. */
export function parseLogFormat(format: string, constants: LogConstants = noConstants): ParsedLogFormat {
  if (format.length > maxFormatChars) throw new RangeError(`a log format of more than ${maxFormatChars} characters`);
  const operators: LogOperator[] = [];
  const unknown: string[] = [];
  let literal = '';
  let at = 0;
  const endLiteral = (): void => {
    if (literal !== '') operators.push({ kind: 'literal', text: literal });
    literal = '';
  };
  for (const match of format.matchAll(operatorText)) {
    literal += format.slice(at, match.index);
    at = match.index + match[0].length;
    const [whole, name, argument, length] = match;
    if (name === undefined) {
      literal += '%';
      continue;
    }
    endLiteral();
    const operator = operatorOf(name, argument, length === undefined ? undefined : Number(length), constants);
    if (operator === undefined) unknown.push(whole);
    operators.push(operator ?? { kind: 'absent' });
  }
  literal += format.slice(at);
  endLiteral();
  return { operators, unknown };
}

/** Undefined for an operator that is not known. */
function operatorOf(
  name: string,
  argument: string | undefined,
  maxChars: number | undefined,
  { hostname, environment }: LogConstants,
): LogOperator | undefined {
  switch (name) {
    case 'START_TIME':
      return { kind: 'start-time', format: argument };
    case 'REQ':
    case 'REQ_WITHOUT_QUERY':
      return header('request', argument, maxChars, name === 'REQ_WITHOUT_QUERY');
    case 'RESP':
      return header('response', argument, maxChars, false);
    case 'TRAILER':
      return header('trailers', argument, maxChars, false);
    case 'HOSTNAME':
      return constant(hostname, maxChars);
    case 'ENVIRONMENT':
      return argument === undefined || argument === '' ? undefined : constant(environment(argument), maxChars);
    default:
      return isValueName(name) ? { kind: 'value', name } : undefined;
  }
}

function constant(text: string | undefined, maxChars: number | undefined): LogOperator {
  return text === undefined || text === '' ? { kind: 'absent' } : { kind: 'literal', text: text.slice(0, maxChars) };
}

function header(
  of: 'request' | 'response' | 'trailers',
  argument: string | undefined,
  maxChars: number | undefined,
  dropsQuery: boolean,
): LogOperator | undefined {
  const [name = '', fallback] = (argument ?? '').toLowerCase().split('?', 2);
  return name === '' ? undefined : { kind: 'header', of, name, fallback, maxChars, dropsQuery };
}

function isValueName(name: string): name is LogValueName {
  return knownValues.has(name);
}
