import { receiveMessageOnPort, workerData } from 'node:worker_threads';
import { EventLoop } from './event-loop.ts';
import type { LoopWorkerReady, LoopWorkerStart } from './loop-worker.ts';

/** A thread that sleeps longer cannot be ended by the process. */
const longestWaitMs = 1000;

/** What runs on the loop of a data worker. */
export interface LoopProgram<ToWorker> {
  receive(message: ToWorker): void;
  /** Called at the end of each turn: what it logged and counted leaves in one write. */
  flush(): void;
  /** True after the message `stop`: the thread ends with this turn. */
  readonly isStopped: boolean;
}

/** What a program has of its thread. */
export interface LoopThread<Settings, FromWorker> {
  readonly id: number;
  readonly loop: EventLoop;
  readonly settings: Settings;
  /** To the thread that started this one. */
  readonly post: (message: FromWorker) => void;
  /** Hands what has come to the program now and not first when the loop is woken. */
  readonly takeMessages: () => void;
}

/**
 * The thread of a data worker, from its start to its end: a loop that blocks in epoll, and the port to the thread that
 * started it, whose half is {@link LoopWorker}. Returns when the program has stopped; what a handler throws ends the thread.
 */
export function runLoopWorker<Settings, ToWorker, FromWorker>(
  build: (thread: LoopThread<Settings, FromWorker>) => LoopProgram<ToWorker>,
): void {
  // `workerData` is written by LoopWorker of this same program.
  const { id, port, settings }: LoopWorkerStart<Settings> = workerData;
  const loop = new EventLoop();
  const post = (message: FromWorker | LoopWorkerReady): void => port.postMessage(message);
  const takeMessages = (): void => {
    for (;;) {
      const received: { message: ToWorker } | undefined = receiveMessageOnPort(port);
      if (received === undefined) return;
      program.receive(received.message);
    }
  };
  const program = build({ id, loop, settings, post, takeMessages });
  loop.onWake(takeMessages);
  post({ kind: 'ready', wakeFd: loop.wakeFd });
  takeMessages();
  while (!program.isStopped) {
    loop.runOnce(longestWaitMs);
    program.flush();
  }
  port.close();
}
