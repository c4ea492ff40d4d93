/** Puts one request into a line, as bytes, by a format that was taken apart before. No allocation but the values' own. */
import type { LineBuffer } from '../line-buffer.ts';
import type { LogConstants, LogOperator, LogValueName } from './log-operator.ts';
import { parseLogFormat } from './parse-log-format.ts';

/** A finished request or connection, as the log asks for it. Undefined is shown as `-`, or null in JSON. */
export interface LoggedRequest {
  readonly startWallTimeMs: number;
  value(name: LogValueName): string | number | undefined;
  /** By lower-case name; pseudo headers with their colon. */
  header(of: 'request' | 'response' | 'trailers', lowerName: string): string | undefined;
}

/** A compiled format. `unknownOperators` are to be reported where the configuration came from. */
export interface RequestLogFormat {
  readonly unknownOperators: readonly string[];
  /** Appends one whole line; false if it did not fit and was left out. */
  write(line: LineBuffer, request: LoggedRequest): boolean;
}

export function textLogFormat(format: string, constants?: LogConstants): RequestLogFormat {
  const { operators, unknown } = parseLogFormat(format.endsWith('\n') ? format.slice(0, -1) : format, constants);
  return {
    unknownOperators: unknown,
    write(line, request) {
      for (const operator of operators) {
        if (operator.kind === 'literal') line.text(operator.text);
        else writeShown(line, read(operator, request));
      }
      return line.endLine();
    },
  };
}

/** Fields in the given order. A field of one operator keeps its type; a mixture is text. */
export function jsonLogFormat(fields: Readonly<Record<string, string>>, constants?: LogConstants): RequestLogFormat {
  const parsed = Object.entries(fields).map(([key, format]) => ({ key, ...parseLogFormat(format, constants) }));
  return {
    unknownOperators: parsed.flatMap(({ unknown }) => unknown),
    write(line, request) {
      let separator = '{';
      for (const { key, operators } of parsed) {
        line.text(separator);
        line.quoted(key, 'json');
        line.text(':');
        writeJson(line, operators, request);
        separator = ',';
      }
      line.text(separator === '{' ? '{}' : '}');
      return line.endLine();
    },
  };
}

function writeShown(line: LineBuffer, value: string | number | undefined): void {
  if (value === undefined || value === '') line.text('-');
  else if (typeof value === 'string') line.textOnOneLine(value);
  else if (Number.isInteger(value) && value >= 0) line.integer(value);
  else line.text(String(value));
}

function writeJson(line: LineBuffer, operators: readonly LogOperator[], request: LoggedRequest): void {
  const [only] = operators;
  if (operators.length === 1 && only !== undefined && only.kind !== 'literal') {
    const value = read(only, request);
    if (value === undefined) line.text('null');
    else if (typeof value === 'number') line.text(String(value));
    else line.quoted(value, 'json');
    return;
  }
  let text = '';
  for (const operator of operators) text += shown(operator, request);
  line.quoted(text, 'json');
}

function shown(operator: LogOperator, request: LoggedRequest): string {
  if (operator.kind === 'literal') return operator.text;
  const value = read(operator, request);
  if (value === undefined || value === '') return '-';
  return typeof value === 'number' ? String(value) : oneLine(value);
}

/** What an operator shows of a request; empty for nothing. */
export function operatorText(operator: LogOperator, request: LoggedRequest): string {
  return String(read(operator, request) ?? '');
}

function read(operator: LogOperator, request: LoggedRequest): string | number | undefined {
  switch (operator.kind) {
    case 'literal':
      return operator.text;
    case 'value':
      return request.value(operator.name);
    case 'start-time':
      return startTime(request.startWallTimeMs, operator.format);
    case 'header':
      return headerValue(operator, request);
    case 'absent':
      return undefined;
  }
}

function headerValue(operator: LogOperator & { readonly kind: 'header' }, request: LoggedRequest): string | undefined {
  const { of, name, fallback, maxChars, dropsQuery } = operator;
  let value = request.header(of, name);
  if (value === undefined && fallback !== undefined) value = request.header(of, fallback);
  if (value === undefined) return undefined;
  const query = dropsQuery ? value.indexOf('?') : -1;
  const kept = query < 0 ? value : value.slice(0, query);
  return maxChars === undefined ? kept : kept.slice(0, maxChars);
}

/** A value must not begin a new line, whatever a peer sent. */
function oneLine(value: string): string {
  return /[\r\n]/.test(value) ? value.replace(/[\r\n]+/g, ' ') : value;
}

/** The second that the last time lay in, as text up to its point: most lines of a busy proxy share it. */
let isoSecond = Number.NaN;
let isoPrefix = '';

/** ISO 8601 in UTC with milliseconds. */
function isoTime(wallTimeMs: number): string {
  const second = Math.floor(wallTimeMs / 1000);
  if (second !== isoSecond) {
    isoPrefix = new Date(second * 1000).toISOString().slice(0, 20);
    isoSecond = second;
  }
  return `${isoPrefix}${String(Math.floor(wallTimeMs) - second * 1000).padStart(3, '0')}Z`;
}

/** ISO 8601 with milliseconds; with a format, strftime's usual letters, `%s` and `%3f`. */
function startTime(wallTimeMs: number, format: string | undefined): string {
  const iso = isoTime(wallTimeMs);
  if (format === undefined || format === '') return iso;
  return format.replace(/%([1-9]?)([a-zA-Z%])/g, (whole, digits: string, letter: string) => {
    switch (letter) {
      case 'Y':
        return iso.slice(0, 4);
      case 'm':
        return iso.slice(5, 7);
      case 'd':
        return iso.slice(8, 10);
      case 'H':
        return iso.slice(11, 13);
      case 'M':
        return iso.slice(14, 16);
      case 'S':
        return iso.slice(17, 19);
      case 'F':
        return iso.slice(0, 10);
      case 'T':
        return iso.slice(11, 19);
      case 'f':
        return iso
          .slice(20, 23)
          .padEnd(Number(digits || 9), '0')
          .slice(0, Number(digits || 9));
      case 's':
        return String(Math.floor(wallTimeMs / 1000));
      case '%':
        return '%';
      default:
        return whole;
    }
  });
}
