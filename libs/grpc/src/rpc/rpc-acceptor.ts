/** The listening socket of an {@link RpcPort}. */
import {
  checked,
  EAGAIN,
  EPOLLIN,
  type EventLoop,
  type Fd,
  io,
  type IoHandler,
  type SocketAddress,
  type TimerId,
} from '@ambit/net';

/** Connections that are taken in one turn, so that a thousand clients which start together do not hold up the rest. */
const ACCEPTED_A_TURN = 32;
const BACKLOG = 4_096;
/** Out of descriptors: the kernel would go on saying that somebody waits. */
const PAUSE_MS = 100;

export class RpcAcceptor implements IoHandler {
  readonly port: number;
  readonly #loop: EventLoop;
  readonly #fd: Fd;
  readonly #onConnection: (fd: Fd) => void;
  #pause: TimerId | undefined;

  /** `onConnection` owns what it is given. Throws NetError when it cannot listen. */
  constructor(loop: EventLoop, { address, port }: SocketAddress, onConnection: (fd: Fd) => void) {
    this.#loop = loop;
    this.#onConnection = onConnection;
    this.#fd = checked('tcpListen', io.tcpListen({ address, port, backlog: BACKLOG, dualStack: address === '::' }));
    this.port = io.localAddress(this.#fd).port;
    loop.add(this.#fd, EPOLLIN, this);
  }

  onEvents(): void {
    for (let i = 0; i < ACCEPTED_A_TURN; i += 1) {
      const fd = io.accept(this.#fd);
      if (fd === -EAGAIN) return;
      if (fd < 0) return this.#rest();
      this.#onConnection(fd);
    }
  }

  close(): void {
    if (this.#pause !== undefined) this.#loop.clearTimer(this.#pause);
    this.#loop.close(this.#fd);
  }

  #rest(): void {
    this.#loop.modify(this.#fd, 0);
    this.#pause = this.#loop.setTimer(PAUSE_MS, { onTimer: () => this.#loop.modify(this.#fd, EPOLLIN) });
  }
}
