/** The node agent's process. */
import { EventBus, type EventTransport, InProcessTransport, NatsTransport, UnixTransport } from '@ambit/events';
import { runProcess } from '@ambit/runtime';
import { agentConfig } from './agent-config.ts';
import { runAgent } from './agent.ts';

await runProcess(agentConfig, async ({ config, stopping }) => {
  await using bus = new EventBus({
    transport: transportOf(config.bus, config.nodeName),
    source: `cni-agent/${config.nodeName}`,
  });
  await runAgent(config, bus, stopping);
});

function transportOf(address: string | undefined, nodeName: string): EventTransport {
  if (address === undefined) return new InProcessTransport();
  if (address.startsWith('unix:')) return new UnixTransport({ path: address.slice('unix:'.length) });
  return new NatsTransport({ servers: [address], name: `cni-agent/${nodeName}` });
}
