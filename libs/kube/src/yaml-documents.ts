import { isCollection, isNode, LineCounter, parseAllDocuments, type Document } from 'yaml';
import type { Location, Path } from './location.ts';
import { isPlainObject } from './object-reader.ts';

/** One object of a file, still of unknown content, that can tell where each of its parts was written. */
export interface LocatedObject {
  readonly value: unknown;
  /** Place of the value at a path, or of its nearest written parent. */
  locate(path: Path): Location;
}

export type ParsedFile =
  | { readonly kind: 'objects'; readonly objects: readonly LocatedObject[] }
  | { readonly kind: 'broken'; readonly location: Location; readonly message: string };

const maxDepth = 64;

/**
 * Parses a file of YAML documents. One mistake makes the whole file broken: after a syntax error nobody can tell where
 * the next object begins. Empty documents are left out; the items of a `kind: List` count as objects of their own.
 */
export function parseYamlDocuments(file: string, text: string): ParsedFile {
  const lineCounter = new LineCounter();
  const place = (offset: number): Location => {
    const { line, col } = lineCounter.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  try {
    const documents = parseAllDocuments(text, { lineCounter, merge: true, stringKeys: true, prettyErrors: false });
    const objects: LocatedObject[] = [];
    for (const document of documents) {
      const [error] = document.errors;
      if (error !== undefined) {
        return { kind: 'broken', location: place(error.pos[0]), message: `this is not valid YAML: ${error.message}` };
      }
      const value: unknown = document.toJS({ maxAliasCount: 100 });
      if (depthOf(value) > maxDepth) {
        return {
          kind: 'broken',
          location: place(document.range?.[0] ?? 0),
          message: `nested deeper than ${maxDepth} levels`,
        };
      }
      if (value !== null && value !== undefined) objects.push(...expandList(document, value, place));
    }
    return { kind: 'objects', objects };
  } catch (error) {
    // Too many aliases, or a nesting that exhausts the parser's stack.
    const reason = error instanceof Error ? error.message : String(error);
    return { kind: 'broken', location: { file, line: 1, column: 1 }, message: `this is not usable YAML: ${reason}` };
  }
}

function expandList(document: Document, value: unknown, place: (offset: number) => Location): LocatedObject[] {
  const under =
    (prefix: Path): ((path: Path) => Location) =>
    (path) =>
      place(offsetOf(document, [...prefix, ...path]));
  if (isPlainObject(value) && value['kind'] === 'List' && Array.isArray(value['items'])) {
    return value['items'].map((item: unknown, index) => ({ value: item, locate: under(['items', index]) }));
  }
  return [{ value, locate: under([]) }];
}

/** Offset of the key that leads to a value (of the value itself in lists), or of the nearest parent that exists. */
function offsetOf(document: Document, path: Path): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? document.range?.[0] ?? 0;
  for (const step of path) {
    if (!isCollection(node)) break;
    const item: unknown = node.items.find((candidate, index) => isStep(candidate, index, step));
    if (item === undefined) break;
    if (isPair(item)) {
      offset = startOf(item.key) ?? offset;
      node = item.value;
    } else {
      offset = startOf(item) ?? offset;
      node = item;
    }
  }
  return offset;
}

function isPair(item: unknown): item is { readonly key: unknown; readonly value: unknown } {
  return typeof item === 'object' && item !== null && 'key' in item && !isNode(item);
}

function isStep(item: unknown, index: number, step: string | number): boolean {
  if (!isPair(item)) return index === step;
  const key: unknown = isNode(item.key) ? item.key.toJSON() : item.key;
  return String(key) === String(step);
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let deepest = 0;
  for (const child of Object.values(value)) deepest = Math.max(deepest, depthOf(child));
  return deepest + 1;
}
