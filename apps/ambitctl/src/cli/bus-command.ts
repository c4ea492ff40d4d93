/** The event bus of one machine without NATS, as a process of its own; labs start it. */
import { once } from 'node:events';
import { UnixBusServer } from '@ambit/events';
import type { Command } from 'commander';

export function addBusCommand(program: Command): void {
  program
    .command('bus', { hidden: true })
    .description('serve the event bus of this machine')
    .requiredOption('--socket <path>', 'unix socket to listen on')
    .action(async ({ socket }: { readonly socket: string }) => {
      await using _bus = await UnixBusServer.listen({ path: socket });
      await Promise.race(['SIGTERM', 'SIGINT'].map((signal) => once(process, signal)));
    });
}
