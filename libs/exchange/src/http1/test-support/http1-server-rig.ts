import assert from 'node:assert/strict';
import { EventLoop } from '@ambit/net';
import { defaultServerConnectionSettings, Http1ServerConnection, type ServerConnectionSettings } from '../../index.ts';
import { memoryPair } from '../../test-support/memory-channel.ts';
import { RawPeer } from '../../test-support/raw-peer.ts';
import { RequestLog, type ServedExchange } from '../../test-support/recorders.ts';

/** A connection of a server, its client that speaks bytes, and what became of the requests. */
export class Rig {
  readonly loop: EventLoop = new EventLoop();
  readonly client: RawPeer;
  readonly connection: Http1ServerConnection;
  readonly log: RequestLog;
  readonly settle: () => void;

  constructor(
    onServed?: (served: ServedExchange) => void,
    settings: Partial<ServerConnectionSettings> = {},
    cut?: () => number,
  ) {
    const pair = memoryPair(this.loop, cut === undefined ? {} : { cut });
    this.settle = pair.settle;
    this.log = new RequestLog(onServed);
    const all = { ...defaultServerConnectionSettings, ...settings };
    this.connection = new Http1ServerConnection(pair.right, this.log, this.loop, all);
    this.client = new RawPeer(pair.left);
  }

  send(text: string): void {
    this.client.send(text);
    this.settle();
  }

  get last(): ServedExchange {
    const served = this.log.served.at(-1);
    assert.ok(served !== undefined, 'no request arrived');
    return served;
  }
}

/** The plainest request. */
export const get = 'GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n';
