/** Changes of header fields as routes ask for them, with values that may name facts of the request. */
import type { route as messages } from '@ambit/api';
import type { FieldList } from '@ambit/exchange';
import { isConnectionField, isFieldName, isFieldValue } from '@ambit/http';
import { type LoggedRequest, type LogOperator, operatorText, parseLogFormat } from '@ambit/telemetry';

import type { Problems } from './problems.ts';

/** A value: text, or a format whose operators are read from the request. */
type EditValue =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'format'; readonly operators: readonly LogOperator[] };

interface FieldEdit {
  readonly lowerName: string;
  readonly value: EditValue;
}

/** Removals first, then sets, then adds. */
export interface HeaderEdits {
  readonly remove: readonly string[];
  readonly set: readonly FieldEdit[];
  readonly add: readonly FieldEdit[];
  /** A set of Host: requests get this authority. */
  readonly authority: EditValue | undefined;
}

/** Undefined when there is nothing to do. */
export function compileHeaderEdits(
  message: messages.HeaderEdits | undefined,
  place: string,
  problems: Problems,
): HeaderEdits | undefined {
  if (message === undefined) return undefined;
  let authority: EditValue | undefined;
  const compile = (name: string, written: string): readonly FieldEdit[] => {
    const lowerName = name.toLowerCase();
    const value = fieldText(written);
    if (!isFieldValue(value)) {
      problems.bad(place, `the value of header ${name} holds what no header may`);
      return [];
    }
    if (lowerName === 'host' || lowerName === ':authority') {
      authority = compileValue(value, place, problems);
      return [];
    }
    return isEditable(lowerName, place, problems) ? [{ lowerName, value: compileValue(value, place, problems) }] : [];
  };
  const set = Object.entries(message.set).flatMap(([name, value]) => compile(name, value));
  const add = message.add.flatMap(({ name, value }) => compile(name, value));
  const remove = message.remove.map((name) => name.toLowerCase()).filter((name) => isEditable(name, place, problems));
  if (set.length + add.length + remove.length === 0 && authority === undefined) return undefined;
  return { remove, set, add, authority };
}

/** A configured value as fields hold it: the bytes of its UTF-8, one character each, without blanks at the ends. */
function fieldText(value: string): string {
  return Buffer.from(value.trim(), 'utf8').toString('latin1');
}

/** Fields that frame a message or belong to a connection are nobody's to edit: left alone with a warning. */
function isEditable(lowerName: string, place: string, problems: Problems): boolean {
  if (!isFieldName(lowerName)) {
    // Other pseudo headers are ignored, as Istio does.
    problems.warn(place, `${lowerName} is no header that can be edited`);
    return false;
  }
  if (isConnectionField(lowerName, '') || lowerName === 'host' || lowerName === 'content-length') {
    problems.warn(place, `header ${lowerName} belongs to the connection and is left alone`);
    return false;
  }
  return true;
}

function compileValue(value: string, place: string, problems: Problems): EditValue {
  if (!value.includes('%')) return { kind: 'text', text: value };
  const { operators, unknown } = parseLogFormat(value);
  if (unknown.length > 0) {
    problems.warn(place, `${unknown.join(', ')} is no known operator; the value is used as it is`);
    return { kind: 'text', text: value };
  }
  const [only] = operators;
  if (operators.length === 1 && only?.kind === 'literal') return { kind: 'text', text: only.text };
  return { kind: 'format', operators };
}

/** Carries the edits out. A format that comes to nothing, or to what no header may hold, adds no field. */
export function editHeaders(edits: HeaderEdits, fields: FieldList, facts: LoggedRequest): void {
  for (const name of edits.remove) fields.remove(name);
  for (const { lowerName, value } of edits.set) {
    const text = editedText(value, facts);
    if (text === undefined) fields.remove(lowerName);
    else fields.set(lowerName, text);
  }
  for (const { lowerName, value } of edits.add) {
    const text = editedText(value, facts);
    if (text !== undefined) fields.add(lowerName, text);
  }
}

/** Undefined for a format that comes to nothing usable. */
export function editedText(value: EditValue, facts: LoggedRequest): string | undefined {
  if (value.kind === 'text') return value.text;
  let text = '';
  for (const operator of value.operators) text += operatorText(operator, facts);
  return text === '' || !isFieldValue(text) ? undefined : text;
}
