/** A container as restricted as the chart's pods: read-only root, `/tmp` in memory, no capability that is not named. */
import { GenericContainer } from 'testcontainers';

export class RestrictedContainer extends GenericContainer {
  constructor(image: string, capabilities: readonly string[] = []) {
    super(image);
    this.hostConfig.ReadonlyRootfs = true;
    this.withTmpFs({ '/tmp': 'rw,mode=1777' });
    this.withDroppedCapabilities('ALL');
    if (capabilities.length > 0) this.withAddedCapabilities(...capabilities);
  }
}
