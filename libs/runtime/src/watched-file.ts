import { readFileSync, statSync } from 'node:fs';
import { AmbitError } from './ambit-error.ts';

/** No list of keys or assignments of the mesh is larger. */
const MAX_BYTES = 16 * 1024 * 1024;

/**
 * Kernels stamp files with a clock that ticks every 1 to 10 ms, so two writes within a tick can leave the same time and
 * size. A file that young is read again instead of trusted to be unchanged.
 */
const RACY_MS = 100;

/**
 * A small file that other programs replace. Each `current()` compares inode, size and time, and reads again when they
 * differ, so an answer is never older than the file: with a watch, what was granted a moment ago would be refused.
 */
export class WatchedFile<T> {
  readonly #path: string;
  readonly #parse: (text: string) => T;
  #version = '';
  #value: T | undefined;

  /** `parse` throws for a text it does not accept. */
  constructor(path: string, parse: (text: string) => T) {
    this.#path = path;
    this.#parse = parse;
  }

  /**
   * The parsed content of the file as it is now.
   * @throws AmbitError `FILE_UNREADABLE` if it is missing, too large or does not parse: a file that cannot be read grants
   * nothing, whatever it said before.
   */
  current(): T {
    try {
      const stats = statSync(this.#path, { bigint: true });
      const version = `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}`;
      if (this.#value !== undefined && version === this.#version) return this.#value;
      if (stats.size > MAX_BYTES) throw new Error('the file is too large');
      this.#value = this.#parse(readFileSync(this.#path, 'utf8'));
      this.#version = Date.now() - Number(stats.mtimeMs) < RACY_MS ? '' : version;
      return this.#value;
    } catch (error) {
      this.#value = undefined;
      const reason = error instanceof Error ? error.message : String(error);
      throw new AmbitError('FILE_UNREADABLE', `cannot use ${this.#path}: ${reason}`, { cause: error });
    }
  }
}
