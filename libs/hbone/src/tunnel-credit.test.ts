import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FrameOutput } from '@ambit/http';
import { SlabPool } from '@ambit/net';
import { defaultHboneSettings } from './hbone-settings.ts';
import { StreamWindows } from './stream-windows.ts';
import { TunnelCredit } from './tunnel-credit.ts';
import { TunnelFrames } from './tunnel-frames.ts';
import { type StreamCarrier, TunnelStream } from './tunnel-stream.ts';

class Nowhere extends FrameOutput {
  constructor() {
    super([new SlabPool(4096, 1)], 0);
  }

  override flush(): boolean {
    return true;
  }
}

/** Remembers credit instead of writing it. */
class NotedFrames extends TunnelFrames {
  readonly given: (readonly [streamId: number, bytes: number])[] = [];

  override windowUpdate(streamId: number, increment: number): void {
    this.given.push([streamId, increment]);
  }
}

function rig(): { readonly frames: NotedFrames; readonly stream: TunnelStream; readonly windows: StreamWindows } {
  const windows = new StreamWindows({ ...defaultHboneSettings, sharesWindows: true }, true);
  const frames = new NotedFrames(new Nowhere());
  const credit = new TunnelCredit(windows.ofConnection(), frames, windows, () => {});
  const nothing = (): never => assert.fail('the stream only receives');
  const carrier: StreamCarrier = {
    enqueue: nothing,
    release: (stream, bytes) => credit.release(stream, bytes),
    readInto: nothing,
    copyInto: nothing,
    sendEnd: nothing,
    reset: nothing,
    respond: nothing,
    lastRoom: 0,
  };
  const stream = new TunnelStream(carrier, 1, 0, windows.initialBytes);
  stream.state = 'open';
  return { frames, stream, windows };
}

const onData = (take: (length: number) => number): NonNullable<TunnelStream['user']> => ({
  onHead: () => {},
  onData: (_buffer, _offset, length) => take(length),
  onEnd: () => {},
  onReset: () => {},
  onLost: () => {},
  fill: () => false,
});

/** As many bytes as the peer may send. */
function fill(stream: TunnelStream): void {
  const bytes = stream.receiveWindow.available;
  stream.receiveWindow.receive(bytes);
  stream.receive(new Uint8Array(bytes), 0, bytes);
}

test('the window of a stream whose bytes are taken as they come doubles', () => {
  const { frames, stream, windows } = rig();
  stream.user = onData((length) => length);
  fill(stream);
  assert.deepEqual(frames.given, [[1, 2 * windows.initialBytes]]);
});

test('the window of a stream whose bytes wait stays as it is, although some of them are taken', () => {
  const { frames, stream } = rig();
  stream.user = onData((length) => length);
  while (stream.receiveWindow.size < 1_000_000) fill(stream);
  const { size } = stream.receiveWindow;
  const updates = frames.given.length;
  stream.user = onData(() => 0);
  fill(stream);
  let updatesMeanwhile = 0;
  while (stream.handOverPending(() => {}) > 0 && stream.hasPending) {
    assert.equal(stream.receiveWindow.size, size);
    updatesMeanwhile = frames.given.length - updates;
  }
  assert.ok(updatesMeanwhile > 0, 'credit was given while bytes waited');
});
