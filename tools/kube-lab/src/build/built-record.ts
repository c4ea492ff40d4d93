/** Says whether a built file is still what its inputs would give, so that each thing is built once. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { secondsSince, type Progress } from '../progress.ts';

export interface BuildStep {
  /** What comes of it. */
  readonly file: string;
  /** Short, and different whenever the outcome would be; see {@link contentKey}. */
  readonly key: string;
  /** For whom waits: how long it takes from nothing. */
  readonly hint?: string;
  build(): Promise<void>;
}

/** Runs the step unless its file was made with the same key. */
export async function buildOnce(step: BuildStep, progress: Progress): Promise<void> {
  if (isBuilt(step)) return;
  const name = basename(step.file);
  progress(`building ${name} ${step.key}${step.hint === undefined ? '' : ` (${step.hint})`}`);
  const startMs = performance.now();
  mkdirSync(dirname(step.file), { recursive: true });
  await step.build();
  writeFileSync(recordFile(step.file), `${step.key}\n`);
  progress(`built ${name} in ${secondsSince(startMs)}`);
}

export function isBuilt({ file, key }: Pick<BuildStep, 'file' | 'key'>): boolean {
  try {
    return existsSync(file) && readFileSync(recordFile(file), 'utf8').trim() === key;
  } catch {
    return false;
  }
}

/** Twelve digits that stand for texts and the content of files. */
export function contentKey(texts: readonly string[], files: readonly string[] = []): string {
  const hash = createHash('sha256');
  for (const text of texts) hash.update(`${Buffer.byteLength(text)}:${text}`);
  for (const file of files) {
    const content = readFileSync(file);
    hash.update(`${content.length}:`).update(content);
  }
  return hash.digest('hex').slice(0, 12);
}

function recordFile(file: string): string {
  return join(dirname(file), `.${basename(file)}.key`);
}
