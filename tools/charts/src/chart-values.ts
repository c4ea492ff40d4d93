/** Reads a chart's values with the comments above them: what a value means, its default and what it may be. */
import { type Pair, isMap, isScalar, isSeq, parseDocument, type Node } from 'yaml';

/** One value and what is below it. */
export interface ChartValue {
  readonly name: string;
  /** The comment above it, on one line. */
  readonly about: string;
  readonly content:
    | { readonly kind: 'scalar'; readonly value: string | number | boolean }
    | { readonly kind: 'list'; readonly items: readonly unknown[] }
    | { readonly kind: 'record'; readonly values: readonly ChartValue[] };
}

/** @throws Error for YAML that does not parse, and for a value without a comment at the first two levels */
export function readChartValues(text: string): readonly ChartValue[] {
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error !== undefined) throw error;
  if (!isMap(document.contents)) throw new Error('values have to be a map');
  // The comment of the first value counts as the document's.
  return document.contents.items.map((pair, index) => valueOf(pair, index === 0 ? document.commentBefore : undefined));
}

function valueOf(pair: Pair, outerComment: string | null | undefined): ChartValue {
  if (!isScalar(pair.key)) throw new Error('keys of values have to be plain');
  const about = (pair.key.commentBefore ?? outerComment ?? '').replaceAll(/\s*\n\s*/g, ' ').trim();
  return { name: String(pair.key.value), about, content: contentOf(pair.value) };
}

function contentOf(node: unknown): ChartValue['content'] {
  if (isMap(node)) {
    return {
      kind: 'record',
      values: node.items.map((pair, index) => valueOf(pair, index === 0 ? commentOf(node) : undefined)),
    };
  }
  if (isSeq(node)) return { kind: 'list', items: node.toJSON() };
  const value = isScalar(node) ? node.value : undefined;
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    return { kind: 'scalar', value };
  }
  throw new Error('a value needs a default: a text, a number, true or false, a list or a map');
}

function commentOf(node: Node): string | undefined {
  return node.commentBefore ?? undefined;
}

/** The values that a comment lists after "One of:". */
export function choicesOf(about: string): readonly string[] | undefined {
  const listed = /One of: ([^.]+)\./.exec(about)?.[1];
  return listed?.split(', ').map((choice) => (choice === '""' ? '' : choice));
}
