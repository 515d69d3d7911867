/** When the server is asked: while somebody looks, and no more often than they need. */

import { Poll } from '@lumino/polling';

import type { GpuModel } from './model';

/** Seconds between two questions while only the status bar looks. */
const GLANCE = 5;

/** Seconds at most between two tries while the server is away. */
const LONGEST = 30;

export function startPolling(
  model: GpuModel,
  interval: () => number
): Poll<void> {
  const frequency = () => ({
    interval:
      1000 *
      (model.wanted === 'history' ? interval() : Math.max(GLANCE, interval())),
    backoff: 2,
    max: 1000 * LONGEST
  });
  const poll = new Poll<void>({
    name: 'jupyter-gpuctl:gpus',
    factory: () => model.refresh(),
    frequency: frequency(),
    standby: () => document.hidden || model.wanted === null
  });
  let wanted = model.wanted;
  model.viewersChanged.connect(() => {
    const before = wanted;
    wanted = model.wanted;
    poll.frequency = frequency();
    // Somebody has begun to look, or wants more: don't let them wait for the next turn.
    if (wanted !== null && wanted !== before && before !== 'history') {
      void poll.refresh();
    }
  });
  return poll;
}
