/**
 * Worker threads name their file with `new URL('./data/worker.ts', import.meta.url)`, which works from source. In a
 * bundle that file becomes its own bundle beside the main one, and the URL is rewritten to it. Pure.
 */
import { basename, dirname, resolve } from 'node:path';

/** A worker found in a module. */
export interface WorkerEntry {
  /** Absolute path of the worker's source. */
  readonly source: string;
  /** File name of its bundle. */
  readonly bundle: string;
}

const WORKER_URL = /new URL\(\s*(['"])(\.{1,2}\/[\w./-]+\.ts)\1,\s*import\.meta\.url,?\s*\)/g;

/** The module's text with worker URLs rewritten, and the workers it names. */
export function rewriteWorkerUrls(
  code: string,
  path: string,
): { readonly code: string; readonly workers: WorkerEntry[] } {
  const workers: WorkerEntry[] = [];
  const rewritten = code.replace(WORKER_URL, (_whole, _quote: string, relative: string) => {
    const bundle = `${basename(relative, '.ts')}.mjs`;
    workers.push({ source: resolve(dirname(path), relative), bundle });
    return `new URL('./${bundle}', import.meta.url)`;
  });
  return { code: rewritten, workers };
}
