import assert from 'node:assert/strict';
import { test } from 'node:test';

import { SendWindow } from '../flow-window.ts';
import { HpackEncoder } from '../hpack-encoder.ts';
import { FrameOutput } from './frame-output.ts';
import { Http2Frames } from './http2-frames.ts';
import { type FrameSizes, Http2Sender, type SendingStream } from './http2-sender.ts';

const slabBytes = 4096;
const slabs = { slabBytes, take: () => new Uint8Array(slabBytes), giveBack() {} };
const body = new Uint8Array(slabBytes);

interface Sending extends SendingStream {
  left: number;
}

/** Notes the DATA frames of each flush as `stream:bytes`. */
class NotedOutput extends FrameOutput {
  readonly flushes: string[][] = [];

  override flush(): boolean {
    const frames: string[] = [];
    for (let at = this.start; at < this.position;) {
      const [high = 0, middle = 0, low = 0] = this.slab.subarray(at, at + 3);
      const bytes = (high << 16) | (middle << 8) | low;
      frames.push(`${this.slab[at + 8]}:${bytes}`);
      at += 9 + bytes;
    }
    if (frames.length > 0) this.flushes.push(frames);
    this.release();
    return true;
  }
}

class Frames extends Http2Frames {}

class CountingSender extends Http2Sender<Sending> {
  protected override serve(stream: Sending): boolean {
    stream.left -= this.copyData(stream, body, 0, stream.left);
    return stream.left > 0 && stream.sendWindow.available > 0;
  }
}

function sender(sizes: Partial<FrameSizes> = {}, maxDataBytes: number = slabBytes) {
  const output = new NotedOutput([slabs], maxDataBytes);
  const frames = new Frames(output, new HpackEncoder());
  return { output, frames, sender: new CountingSender(output, frames, { ...defaults, ...sizes }) };
}

const defaults: FrameSizes = { soleBytes: 1000, sharedBytes: 400, leastRoomBytes: 1 };

function stream(id: number, left: number, windowBytes: number = 65_535): Sending {
  return { id, left, sendWindow: new SendWindow(id, windowBytes), isQueued: false };
}

test('alone a stream gets large frames, among others its share in turn', () => {
  const { output, sender: it } = sender();
  it.enqueue(stream(1, 1500));
  it.pump();
  assert.deepEqual(output.flushes.pop(), ['1:1000', '1:500']);
  it.enqueue(stream(3, 900));
  it.enqueue(stream(5, 500));
  it.pump();
  assert.deepEqual(output.flushes.pop(), ['3:400', '5:400', '3:400', '5:100', '3:100']);
});

test('no frame exceeds what the peer takes', () => {
  const { output, frames, sender: it } = sender();
  frames.peerMaxFrameBytes = 300;
  it.enqueue(stream(1, 500));
  it.pump();
  assert.deepEqual(output.flushes, [['1:300', '1:200']]);
});

test('a stream without a window leaves the queue, one behind the window of the connection stays in it', () => {
  const { output, sender: it } = sender();
  const narrow = stream(1, 500, 100);
  it.enqueue(narrow);
  it.pump();
  assert.deepEqual(output.flushes.splice(0), [['1:100']]);
  assert.ok(!narrow.isQueued);
  narrow.sendWindow.increase(1000);
  it.window.consume(it.window.available - 50);
  it.enqueue(narrow);
  it.pump();
  assert.deepEqual(output.flushes.splice(0), [['1:50']]);
  assert.ok(narrow.isQueued && !it.hasWork);
  it.window.increase(1000);
  it.pump();
  assert.deepEqual(output.flushes, [['1:350']]);
});

test('a turn ends after a bounded number of flushes, and the rest is still work', () => {
  const { output, sender: it } = sender({}, 509);
  it.enqueue(stream(1, 10_000));
  it.pump();
  assert.deepEqual(output.flushes, [['1:500'], ['1:500'], ['1:500'], ['1:500']]);
  assert.ok(it.hasWork);
});

test('the end of a slab is not used for a tiny frame', () => {
  const { output, sender: it } = sender({ leastRoomBytes: 100 }, 459);
  it.enqueue(stream(1, 400));
  it.enqueue(stream(3, 400));
  it.pump();
  assert.deepEqual(output.flushes, [['1:400'], ['3:400']]);
});

test('what was sent is counted', () => {
  const { sender: it } = sender();
  it.enqueue(stream(1, 1500));
  it.pump();
  assert.deepEqual([it.dataFramesSent, it.dataBytesSent], [2, 1500]);
});
