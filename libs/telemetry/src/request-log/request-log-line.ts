/** Puts one request into a line, as bytes, by a format that was taken apart before. No allocation but the values' own. */
import type { LineBuffer } from '../line-buffer.ts';
import { type JsonFields, type JsonNode, parseJsonFields } from './json-fields.ts';
import type { LogConstants, LoggedRequest, LogOperator } from './log-operator.ts';
import { type LogValue, operatorValue } from './operator-value.ts';
import { parseLogFormat } from './parse-log-format.ts';

/** A compiled format. `unknownOperators` are to be reported where the configuration came from. */
export interface RequestLogFormat {
  readonly unknownOperators: readonly string[];
  /** Appends one whole line; false if it did not fit and was left out. */
  write(line: LineBuffer, request: LoggedRequest): boolean;
}

/** Of text and JSON formats. */
export interface LogFormatOptions {
  readonly constants?: LogConstants | undefined;
  /** What is missing is shown as nothing: no dash in text, no field in JSON. */
  readonly omitsEmpty?: boolean | undefined;
}

/** Throws RangeError for a format that is too long. */
export function textLogFormat(format: string, { constants, omitsEmpty }: LogFormatOptions = {}): RequestLogFormat {
  const { operators, unknown } = parseLogFormat(format.endsWith('\n') ? format.slice(0, -1) : format, constants);
  const missing = omitsEmpty === true ? '' : '-';
  return {
    unknownOperators: unknown,
    write(line, request) {
      for (const operator of operators) {
        if (operator.kind === 'literal') line.text(operator.text);
        else writeShown(line, operatorValue(operator, request), missing);
      }
      return line.endLine();
    },
  };
}

/** A compiled format whose result is wanted as text, of as many lines as it has. */
export interface LogText {
  readonly unknownOperators: readonly string[];
  of(request: LoggedRequest): string;
}

/** Throws RangeError for a format that is too long. */
export function logText(format: string, { constants, omitsEmpty }: LogFormatOptions = {}): LogText {
  const { operators, unknown } = parseLogFormat(format, constants);
  return { unknownOperators: unknown, of: (request) => shown(operators, request, omitsEmpty === true ? '' : '-') };
}

/**
 * Fields in the given order; texts are formats, at any depth. A field of one operator keeps its type; a mixture is text. Throws
 * RangeError for what is too much.
 */
export function jsonLogFormat(
  template: Readonly<Record<string, unknown>>,
  { constants, omitsEmpty }: LogFormatOptions = {},
): RequestLogFormat {
  const { fields, unknown } = parseJsonFields(template, constants);
  return {
    unknownOperators: unknown,
    write(line, request) {
      writeObject(line, fields, request, omitsEmpty === true);
      return line.endLine();
    },
  };
}

function writeShown(line: LineBuffer, value: LogValue | undefined, missing: string): void {
  if (value === undefined || value === '') line.text(missing);
  else if (typeof value === 'string') line.textOnOneLine(value);
  else if (typeof value === 'number' && Number.isInteger(value) && value >= 0) line.integer(value);
  else line.text(String(value));
}

function writeObject(line: LineBuffer, fields: JsonFields, request: LoggedRequest, omitsEmpty: boolean): void {
  let separator = '{';
  for (const [name, node] of fields) {
    const single = node.kind === 'value' ? singleOperator(node.operators) : undefined;
    const value = single === undefined ? undefined : operatorValue(single, request);
    if (omitsEmpty && single !== undefined && value === undefined) continue;
    line.text(separator);
    line.quoted(name, 'json');
    line.text(':');
    if (single === undefined) writeNode(line, node, request, omitsEmpty);
    else writeValue(line, value);
    separator = ',';
  }
  line.text(separator === '{' ? '{}' : '}');
}

function writeNode(line: LineBuffer, node: JsonNode, request: LoggedRequest, omitsEmpty: boolean): void {
  switch (node.kind) {
    case 'constant':
      return line.text(node.json);
    case 'object':
      return writeObject(line, node.fields, request, omitsEmpty);
    case 'list':
      line.text('[');
      node.items.forEach((item, index) => {
        if (index > 0) line.text(',');
        writeNode(line, item, request, omitsEmpty);
      });
      return line.text(']');
    case 'value': {
      const single = singleOperator(node.operators);
      if (single === undefined) line.quoted(shown(node.operators, request, omitsEmpty ? '' : '-'), 'json');
      else writeValue(line, operatorValue(single, request));
    }
  }
}

/** Undefined for a mixture, and for text alone. */
function singleOperator(operators: readonly LogOperator[]): LogOperator | undefined {
  const [only] = operators;
  return operators.length === 1 && only?.kind !== 'literal' ? only : undefined;
}

function writeValue(line: LineBuffer, value: LogValue | undefined): void {
  if (value === undefined) line.text('null');
  else if (typeof value === 'string') line.quoted(value, 'json');
  else line.text(String(value));
}

function shown(operators: readonly LogOperator[], request: LoggedRequest, missing: string): string {
  let text = '';
  for (const operator of operators) {
    const value = operatorValue(operator, request);
    if (operator.kind === 'literal') text += operator.text;
    else if (value === undefined || value === '') text += missing;
    else text += typeof value === 'string' ? oneLine(value) : String(value);
  }
  return text;
}

/** A value must not begin a new line, whatever a peer sent. */
function oneLine(value: string): string {
  return /[\r\n]/.test(value) ? value.replace(/[\r\n]+/g, ' ') : value;
}
