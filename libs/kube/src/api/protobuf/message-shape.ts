/**
 * Protobuf messages of the API server as the plain objects that their JSON form would be. A shape names the fields that
 * somebody reads; all others are skipped without a copy, `managedFields` above all, which is half of most objects.
 * Spec: protobuf.dev/programming-guides/encoding; Kubernetes' API concepts (alternate representations).
 */
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import type { PlainObject } from '../../object-reader.ts';

/** One field: how its value is read, and what it is called. */
export interface FieldShape {
  readonly name: string;
  readonly wire: WireType;
  readonly holds: 'one' | 'many' | 'entries';
  /** Undefined for what JSON leaves out: Kubernetes writes fields without a value too. */
  readonly read: (reader: BinaryReader) => unknown;
}

/** Fields by number. */
export type MessageShape = ReadonlyMap<number, FieldShape>;

export function shape(fields: Readonly<Record<number, FieldShape>>): MessageShape {
  return new Map(Object.entries(fields).map(([number, field]) => [Number(number), field]));
}

export function text(name: string): FieldShape {
  return { name, wire: WireType.LengthDelimited, holds: 'one', read: (reader) => reader.string() || undefined };
}

export function texts(name: string): FieldShape {
  return { name, wire: WireType.LengthDelimited, holds: 'many', read: (reader) => reader.string() };
}

/** A map of texts. */
export function textMap(name: string): FieldShape {
  return { name, wire: WireType.LengthDelimited, holds: 'entries', read: readEntry };
}

export function flag(name: string): FieldShape {
  return { name, wire: WireType.Varint, holds: 'one', read: (reader) => reader.bool() };
}

/** A whole number; zero counts as absent. */
export function count(name: string): FieldShape {
  return { name, wire: WireType.Varint, holds: 'one', read: (reader) => Number(reader.int64()) || undefined };
}

/** A `Time`, as RFC 3339 with whole seconds. */
export function time(name: string): FieldShape {
  return { name, wire: WireType.LengthDelimited, holds: 'one', read: readTime };
}

/** An `IntOrString`. */
export function countOrText(name: string): FieldShape {
  return { name, wire: WireType.LengthDelimited, holds: 'one', read: readCountOrText };
}

export function message(name: string, of: MessageShape): FieldShape {
  return { name, wire: WireType.LengthDelimited, holds: 'one', read: (reader) => readNested(reader, of) };
}

export function messages(name: string, of: MessageShape): FieldShape {
  return { name, wire: WireType.LengthDelimited, holds: 'many', read: (reader) => readNested(reader, of) };
}

/** Bytes that are read later, by who knows what they are; a view. */
export function bytes(name: string): FieldShape {
  return { name, wire: WireType.LengthDelimited, holds: 'one', read: (reader) => reader.bytes() };
}

/** A whole message. Throws for bytes that are none. */
export function readMessage(from: Uint8Array, of: MessageShape): PlainObject {
  return readFields(new BinaryReader(from, decodeText), of, from.length);
}

const ENTRY = shape({ 1: texts('key'), 2: texts('value') });
const TIME = shape({ 1: count('seconds') });
const COUNT_OR_TEXT = shape({ 1: count('isText'), 2: count('count'), 3: text('text') });

function decodeText(from: Uint8Array): string {
  return Buffer.from(from.buffer, from.byteOffset, from.length).toString('utf8');
}

function readNested(reader: BinaryReader, of: MessageShape): PlainObject {
  const length = reader.uint32();
  return readFields(reader, of, reader.pos + length);
}

function readFields(reader: BinaryReader, of: MessageShape, end: number): PlainObject {
  if (end > reader.len) throw new RangeError('a message ends behind its bytes');
  const values = new Map<string, unknown>();
  while (reader.pos < end) {
    const [number, wire] = reader.tag();
    const field = of.get(number);
    if (field === undefined) reader.skip(wire, number);
    else if (wire !== field.wire) throw new RangeError(`field ${field.name} has wire type ${wire}`);
    else put(values, field, reader);
  }
  if (reader.pos !== end) throw new RangeError('a field ends behind its message');
  // Defines each key as its own, whatever it is called.
  return Object.fromEntries(values);
}

function put(values: Map<string, unknown>, { name, holds, read }: FieldShape, reader: BinaryReader): void {
  const value = read(reader);
  if (holds === 'one') {
    if (value !== undefined) values.set(name, value);
    return;
  }
  const known = values.get(name);
  if (holds === 'many') {
    if (Array.isArray(known)) known.push(value);
    else values.set(name, [value]);
    return;
  }
  const [key, entry] = Array.isArray(value) ? value : [];
  const entries = typeof known === 'object' && known !== null ? known : {};
  Object.defineProperty(entries, String(key), { value: entry, enumerable: true, configurable: true, writable: true });
  values.set(name, entries);
}

function readEntry(reader: BinaryReader): readonly [key: string, value: string] {
  const { key, value } = readNested(reader, ENTRY);
  return [lastText(key), lastText(value)];
}

function lastText(values: unknown): string {
  const last: unknown = Array.isArray(values) ? values.at(-1) : undefined;
  return typeof last === 'string' ? last : '';
}

function readTime(reader: BinaryReader): string | undefined {
  const { seconds } = readNested(reader, TIME);
  return typeof seconds === 'number' ? new Date(seconds * 1000).toISOString().replace('.000Z', 'Z') : undefined;
}

function readCountOrText(reader: BinaryReader): unknown {
  const { isText, count: number, text: written } = readNested(reader, COUNT_OR_TEXT);
  return isText === 1 ? written : number;
}
