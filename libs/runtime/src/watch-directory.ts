/**
 * Watches a directory whose files are replaced as a whole (kubelet swaps the `..data` symlink, editors rename).
 * It tells that something changed; it does not tell what. Only the directory itself is watched, not its sub-directories.
 */
import { type FSWatcher, type Stats, statSync, watch } from 'node:fs';

/** Options of {@link watchDirectory}. */
export interface WatchDirectoryOptions {
  /** Quiet time after the last event before `onChange` runs, milliseconds. */
  readonly debounceMs: number;
  /** Called at most once per quiet period; must not throw. */
  readonly onChange: () => void;
}

/** How often a directory that does not exist (any more) is looked for, milliseconds. */
const REARM_INTERVAL_MS = 2000;

/**
 * Starts watching; disposing stops. A missing directory is not an error: it is looked for every two seconds and its
 * appearance counts as a change. Timers do not keep the process alive.
 */
export function watchDirectory(path: string, options: WatchDirectoryOptions): Disposable {
  return new DirectoryWatch(path, options);
}

class DirectoryWatch implements Disposable {
  readonly #path: string;
  readonly #options: WatchDirectoryOptions;
  #watcher: FSWatcher | undefined;
  #inode = 0;
  #debounce: NodeJS.Timeout | undefined;
  #rearm: NodeJS.Timeout | undefined;
  #disposed = false;

  constructor(path: string, options: WatchDirectoryOptions) {
    this.#path = path;
    this.#options = options;
    this.#arm();
  }

  #arm(): boolean {
    this.#watcher?.close();
    this.#watcher = undefined;
    const stats = this.#stat();
    if (stats === undefined) {
      this.#rearmLater();
      return false;
    }
    try {
      this.#inode = stats.ino;
      this.#watcher = watch(this.#path, { persistent: false });
    } catch {
      this.#rearmLater();
      return false;
    }
    this.#watcher.on('change', () => this.#changed());
    this.#watcher.on('error', () => this.#rearmLater());
    return true;
  }

  #changed(): void {
    if (this.#disposed) return;
    clearTimeout(this.#debounce);
    this.#debounce = setTimeout(() => this.#fire(), this.#options.debounceMs);
    this.#debounce.unref();
  }

  #fire(): void {
    // A watch follows the inode: after the directory itself was replaced it would stay silent for ever.
    if (this.#stat()?.ino !== this.#inode) this.#arm();
    this.#options.onChange();
  }

  #rearmLater(): void {
    if (this.#disposed || this.#rearm !== undefined) return;
    this.#rearm = setTimeout(() => {
      this.#rearm = undefined;
      if (this.#arm()) this.#changed();
    }, REARM_INTERVAL_MS);
    this.#rearm.unref();
  }

  #stat(): Stats | undefined {
    return statSync(this.#path, { throwIfNoEntry: false });
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#watcher?.close();
    clearTimeout(this.#debounce);
    clearTimeout(this.#rearm);
  }
}
