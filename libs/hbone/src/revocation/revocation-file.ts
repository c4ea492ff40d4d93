/**
 * The file of certificate revocation lists: read at the start and whenever its folder changes, checked here, and passed on
 * to the data workers. A file that is not there yet is as good as an empty one; one that goes, or cannot be read, changes nothing.
 * Spec: data-plane.md section 8.5. Istio: a file that is broken at the start turns revocation off; here the proxy serves,
 * but is not ready before it is mended, so that a rollout stops there.
 */
import { readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { io } from '@ambit/net';
import { type Readiness, toAmbitError, watchDirectory } from '@ambit/runtime';

type LogCall = (fields: Readonly<Record<string, string | number>>, message: string) => void;

export interface RevocationFileOptions {
  readonly path: string;
  /** To every data worker. */
  readonly publish: (message: { readonly kind: 'revocations'; readonly lists: Uint8Array }) => void;
  readonly readiness: Readiness;
  readonly log: { readonly info: LogCall; readonly warn: LogCall; readonly error: LogCall };
  /** Default 2,000 ms, as in Istio: the kubelet changes several entries of a folder. */
  readonly debounceMs?: number;
}

const MAX_BYTES = 8 * 1024 * 1024;

export class RevocationFile implements Disposable {
  readonly #options: RevocationFileOptions;
  readonly #watch: Disposable;
  #pending: (() => void) | undefined;
  #hasLists = false;

  /** Reads and publishes before it returns. */
  constructor(options: RevocationFileOptions) {
    this.#options = options;
    this.#pending = options.readiness.pend('certificate revocation list');
    this.#load();
    const { path, debounceMs = 2_000 } = options;
    this.#watch = watchDirectory(dirname(path), { debounceMs, onChange: () => this.#load() });
  }

  #load(): void {
    const { path, publish, log } = this.#options;
    try {
      const lists = read(path);
      if (lists === undefined) {
        const text = 'there is no certificate revocation list';
        log.warn({ path }, this.#hasLists ? `${text} any more; what was read before counts` : text);
      } else {
        const count = io.tlsRevocations(lists);
        log.info({ path, count }, 'certificate revocation lists read');
        this.#hasLists = true;
        publish({ kind: 'revocations', lists });
      }
      this.#pending?.();
      this.#pending = undefined;
    } catch (error) {
      log.error(
        { path, error: toAmbitError(error).message },
        'certificate revocation lists cannot be read; what was read before counts',
      );
    }
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }
}

/** Undefined when there is none. */
function read(path: string): Uint8Array | undefined {
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size === undefined) return undefined;
  if (size > MAX_BYTES) throw new Error(`longer than ${MAX_BYTES} bytes`);
  // A buffer of its own: one of the pool would take what lies beside it along to the workers.
  return Uint8Array.from(readFileSync(path));
}
