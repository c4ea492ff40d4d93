import type { FieldList } from '@ambit/exchange';

/** What was written to the other side of a fake exchange, and whether more may be. */
export abstract class RecordedMessage {
  /** Latin-1. */
  body = '';
  isEnded = false;
  trailers: FieldList | undefined;
  isAborted = false;
  /** Whether the other side has asked to be sent nothing. */
  isPaused = false;
  /** What `write` says. */
  isWritable = true;

  /** True as long as body and end may follow. */
  protected abstract get isOpen(): boolean;

  write(buffer: Uint8Array, offset: number, length: number): boolean {
    if (!this.isOpen) throw new Error('body before the head, or after the end');
    this.body += Buffer.from(buffer.subarray(offset, offset + length)).toString('latin1');
    return this.isWritable;
  }

  end(trailers?: FieldList): void {
    if (!this.isOpen) throw new Error('end before the head, or twice');
    this.isEnded = true;
    this.trailers = trailers;
  }

  abort(): void {
    this.isAborted = true;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }
}
