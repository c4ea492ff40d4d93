import { type LogConstants, type LogOperator, type LogValueName, logValueNames } from './log-operator.ts';

/** A format string taken apart, with the operators that are not known: they show `-`. */
export interface ParsedLogFormat {
  readonly operators: readonly LogOperator[];
  readonly unknown: readonly string[];
}

/** Longest format and most operators: a format is written for every request. */
const maxFormatChars = 16_384;

/** Arguments end at the first parenthesis that ends the operator too: those of expressions hold others. */
const operatorText = /%(?:%|([A-Z0-9_]+)(?:\((.{0,1024}?)\))?(?::([0-9]{1,5}))?%)/gs;
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

const noConstants: LogConstants = { hostname: '', environment: () => undefined, expression: () => undefined };

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
  constants: LogConstants,
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
    case 'STREAM_ID':
      return header('request', 'x-request-id', maxChars, false);
    case 'HOSTNAME':
      return constant(constants.hostname, maxChars);
    case 'ENVIRONMENT':
      return argument === undefined || argument === ''
        ? undefined
        : constant(constants.environment(argument), maxChars);
    case 'CEL':
      return expression(argument ?? '', maxChars, constants);
    case 'FILTER_STATE':
      return peerField(argument ?? '', maxChars, constants);
    case 'RESPONSE_FLAGS_LONG':
      return { kind: 'long-flags' };
    case 'GRPC_STATUS':
      return grpcStatus(argument);
    case 'UPSTREAM_REMOTE_ADDRESS':
      return { kind: 'value', name: 'UPSTREAM_HOST' };
    default:
      return isValueName(name) ? { kind: 'value', name } : addressPart(name);
  }
}

function expression(text: string, maxChars: number | undefined, constants: LogConstants): LogOperator | undefined {
  const valueOf = constants.expression(text);
  return valueOf === undefined ? undefined : { kind: 'expression', valueOf, maxChars };
}

/** What is known of both peers; nothing else is kept beside a request here. */
function peerField(argument: string, maxChars: number | undefined, constants: LogConstants): LogOperator | undefined {
  const [, side, field] = /^(upstream_peer|downstream_peer)(?:_obj)?:FIELD:([a-z]+)$/.exec(argument) ?? [];
  return side === undefined || field === undefined ? undefined : expression(`${side}.${field}`, maxChars, constants);
}

function grpcStatus(style: string | undefined): LogOperator | undefined {
  switch (style) {
    case undefined:
    case '':
    case 'CAMEL_STRING':
      return { kind: 'grpc-status', style: 'camel' };
    case 'SNAKE_STRING':
      return { kind: 'grpc-status', style: 'snake' };
    case 'NUMBER':
      return { kind: 'grpc-status', style: 'number' };
    default:
      return undefined;
  }
}

/** Names of addresses by the name that users write without its ending. */
const addresses: Readonly<Record<string, LogValueName>> = {
  DOWNSTREAM_REMOTE: 'DOWNSTREAM_REMOTE_ADDRESS',
  DOWNSTREAM_DIRECT_REMOTE: 'DOWNSTREAM_DIRECT_REMOTE_ADDRESS',
  DOWNSTREAM_LOCAL: 'DOWNSTREAM_LOCAL_ADDRESS',
  UPSTREAM_REMOTE: 'UPSTREAM_HOST',
  UPSTREAM_LOCAL: 'UPSTREAM_LOCAL_ADDRESS',
};

function addressPart(name: string): LogOperator | undefined {
  const [, whose = '', ending] = /^([A-Z_]+?)_(ADDRESS_WITHOUT_PORT|PORT)$/.exec(name) ?? [];
  const address = Object.hasOwn(addresses, whose) ? addresses[whose] : undefined;
  if (address === undefined) return undefined;
  return { kind: 'address-part', name: address, part: ending === 'PORT' ? 'port' : 'host' };
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
