import { fieldNameAt, type Http1Head } from '@ambit/http';

import { FieldList } from '../field-list.ts';

/** What a scanned head says, as text: the fields for others, and what stays with the connection. */
export interface ReceivedFields {
  /** The whole head, from its first octet. */
  readonly text: string;
  readonly fields: FieldList;
  /** Value of Upgrade if Connection names it. */
  readonly upgrade: string | undefined;
  /** TE names trailers; the fields then hold `te: trailers`. */
  readonly takesTrailers: boolean;
}

/**
 * Copies the fields of a head out of its buffer. The whole head becomes one text first, and the values parts of it: one
 * call into the engine instead of one a field. `start`: where the text begins.
 */
export function receivedFields(head: Http1Head, start: number): ReceivedFields {
  const { fields: slices } = head;
  const { buffer, count } = slices;
  const fields = new FieldList();
  let upgrade: string | undefined;
  let takesTrailers = false;
  const text = Buffer.prototype.latin1Slice.call(buffer, start, count > 0 ? slices.valueTo(count - 1) : head.targetTo);
  if (count > 0) {
    const named = head.connectionIndexes.length === 0 ? nothing : namedByConnection(head);
    for (let i = 0; i < count; i++) {
      const name = fieldNameAt(buffer, slices.nameFrom(i), slices.nameTo(i));
      if (!name.isOwnOfConnection) {
        if (named.length > 0 && named.includes(name.text)) continue;
        fields.add(name.text, text.substring(slices.valueFrom(i) - start, slices.valueTo(i) - start));
      } else if (name.text === 'te') {
        takesTrailers ||= /(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/i.test(slices.value(i));
      } else if (name.text === 'upgrade' && head.asksUpgrade) {
        upgrade = upgrade === undefined ? slices.value(i) : `${upgrade}, ${slices.value(i)}`;
      }
    }
  }
  if (takesTrailers) fields.add('te', 'trailers');
  return { text, fields, upgrade, takesTrailers };
}

const nothing: readonly string[] = [];
const plainOptions: ReadonlySet<string> = new Set(['close', 'keep-alive', 'upgrade', 'te', '']);

/** Fields that Connection names, in lower case; mostly none. */
function namedByConnection(head: Http1Head): readonly string[] {
  let named: string[] | undefined;
  for (const index of head.connectionIndexes) {
    if (head.plainConnection(index) !== undefined) continue;
    for (const part of head.fields.value(index).split(',')) {
      const option = part.trim().toLowerCase();
      if (!plainOptions.has(option)) (named ??= []).push(option);
    }
  }
  return named ?? nothing;
}
