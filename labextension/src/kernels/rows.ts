/** Pure rules: which leases belong to a kernel, and how it stands with it. */

import type { ILeaseRows } from '../leases/rows';
import type { KernelAnswer, LeaseAnswer, OverAnswer } from '../wire';
import { isEnding } from '../leases/rows';

/** The caller's live leases that are attached to one kernel. */
export type IKernelLeases = Pick<ILeaseRows, 'offered' | 'active' | 'queued'>;

export function leasesOf(
  { offered, active, queued }: IKernelLeases,
  kernelId: string | null
): IKernelLeases {
  const own = (lease: LeaseAnswer) =>
    kernelId !== null && lease.kernel_id === kernelId;
  return {
    offered: offered.filter(own),
    active: active.filter(own),
    queued: queued.filter(own)
  };
}

/** The caller's active leases that another kernel has, or none. */
export function elsewhere(
  { active }: IKernelLeases,
  kernelId: string
): LeaseAnswer[] {
  return active.filter(lease => lease.kernel_id !== kernelId);
}

export type Mood =
  'none' | 'attached' | 'ending' | 'over' | 'offered' | 'waiting';

export function moodOf(
  kernel: KernelAnswer | undefined,
  own: IKernelLeases,
  now: number
): Mood {
  const [first] = own.active;
  if (first) {
    return isEnding(first, now) ? 'ending' : 'attached';
  }
  if (kernel?.over) {
    return 'over';
  }
  return own.offered.length > 0
    ? 'offered'
    : own.queued.length > 0
      ? 'waiting'
      : 'none';
}

/** Seconds until what goes on after its lease is stopped; `null`: nobody stops it. */
export function stopsIn(over: OverAnswer, now: number): number | null {
  const seconds =
    over.stops_at === null ? 0 : (Date.parse(over.stops_at) - now) / 1000;
  return seconds > 0 ? seconds : null;
}

/** Whether the kernel doesn't know yet what its leases give it, or no longer do. */
export function markOf(
  kernel: KernelAnswer | undefined
): 'restart' | 'later' | null {
  switch (kernel?.applied) {
    case 'restart':
      return 'restart';
    case 'when_idle':
      return 'later';
    default:
      return null;
  }
}
