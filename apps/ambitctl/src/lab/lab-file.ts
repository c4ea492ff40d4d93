/** Reads the file that describes a lab: its nodes and where its manifests are. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import { LabError } from './lab-error.ts';
import { checkLabName } from './lab-names.ts';

export interface LabNode {
  readonly name: string;
  /** From 1; part of the node's addresses. */
  readonly number: number;
  readonly labels: Readonly<Record<string, string>>;
}

export interface LabDescription {
  readonly name: string;
  readonly nodes: readonly LabNode[];
  /** Absolute folders; copied when the lab starts. */
  readonly manifestDirs: readonly string[];
  /** Folder of the lab file. Pods see it as `$(LAB_DIR)`. */
  readonly directory: string;
  /** Settings for processes, by process (`ca`, `control-plane`, `ztunnel`, `cni-agent`, `bus`). */
  readonly settings: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Programs that run as ztunnel instead of Ambit's, by node; `*` stands for every node. */
  readonly ztunnelPrograms: Readonly<Record<string, string>>;
}

const KEYS: readonly string[] = ['name', 'nodes', 'manifests', 'settings'];
const MAX_NODES = 9;

/** @throws LabError `BAD_LAB_FILE` naming the file and the part that is wrong. */
export function readLabFile(path: string): LabDescription {
  let document: unknown;
  try {
    document = parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new LabError('BAD_LAB_FILE', `${path}: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
  try {
    return interpret(document, dirname(resolve(path)));
  } catch (cause) {
    throw new LabError('BAD_LAB_FILE', `${path}: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
}

function interpret(document: unknown, directory: string): LabDescription {
  const fields = readMap(document, 'the file');
  for (const key of fields.keys())
    if (!KEYS.includes(key)) throw new Error(`${key} is not known; expected ${KEYS.join(', ')}`);
  const nodes = readList(fields.get('nodes'), 'nodes').map((entry, index) => readNode(entry, index));
  if (nodes.length === 0 || nodes.length > MAX_NODES) throw new Error(`nodes: expected 1 to ${MAX_NODES}`);
  if (new Set(nodes.map(({ name }) => name)).size !== nodes.length) throw new Error('nodes: two have the same name');
  return {
    name: checkLabName(readText(fields.get('name'), 'name')),
    nodes,
    manifestDirs: readList(fields.get('manifests'), 'manifests').map((entry) =>
      resolve(directory, readText(entry, 'manifests')),
    ),
    directory,
    settings: Object.fromEntries(
      [...readMap(fields.get('settings') ?? {}, 'settings')].map(([process, values]) => [
        process,
        readTexts(values, `settings.${process}`),
      ]),
    ),
    ztunnelPrograms: {},
  };
}

function readNode(entry: unknown, index: number): LabNode {
  const fields = readMap(entry, `nodes[${index}]`);
  const name = readText(fields.get('name'), `nodes[${index}].name`);
  if (!/^[a-z][a-z0-9-]{0,14}$/.test(name) || name === 'fabric')
    throw new Error(`nodes[${index}].name: "${name}" cannot be a node's name`);
  return { name, number: index + 1, labels: readTexts(fields.get('labels') ?? {}, `nodes[${index}].labels`) };
}

function readMap(value: unknown, place: string): ReadonlyMap<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${place} must be a map`);
  return new Map(Object.entries(value));
}

function readList(value: unknown, place: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error(`${place} must be a list`);
  return value;
}

function readText(value: unknown, place: string): string {
  if (typeof value !== 'string' || value === '') throw new Error(`${place} must be text`);
  return value;
}

function readTexts(value: unknown, place: string): Readonly<Record<string, string>> {
  return Object.fromEntries([...readMap(value, place)].map(([key, text]) => [key, readText(text, `${place}.${key}`)]));
}
