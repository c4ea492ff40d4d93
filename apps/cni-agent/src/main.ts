/** The node agent's process. */
import { runProcess } from '@ambit/runtime';
import { agentConfig } from './agent-config.ts';
import { runAgent } from './agent.ts';

await runProcess(agentConfig, ({ config, stopping }) => runAgent(config, stopping));
