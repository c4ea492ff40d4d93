/** A pod's network namespace, held open by a descriptor so that it stays the same one until it is let go. */
import { io } from '@ambit/net';

export class PodNetns implements Disposable {
  readonly fd: number;
  /** Device and inode: equal for two handles of the same namespace. */
  readonly id: string;
  /** Names this very namespace for `nsenter`, even when its file is gone or names another namespace by now. */
  readonly enterPath: string;
  #open = true;

  private constructor(fd: number) {
    this.fd = fd;
    this.id = io.netnsId(fd);
    this.enterPath = `/proc/${process.pid}/fd/${fd}`;
  }

  /** @throws NetError when the file is not there or is not a network namespace. */
  static open(path: string): PodNetns {
    return new PodNetns(io.openNetns(path));
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    io.close(this.fd);
  }
}
