/** Kernels as the server answers them, built from what a test cares about. */

import type { Death, FindingAnswer, KernelAnswer } from '../src/wire';
import type { IKernelState } from '../src/kernels/model';
import { iso, NOON } from './leases';

/** Idle, of train.ipynb, without a lease. */
export function kernel(changes: Partial<KernelAnswer> = {}): KernelAnswer {
  return {
    kernel_id: 'k1',
    name: 'python3',
    notebook: 'work/train.ipynb',
    state: 'idle',
    attachment: 'none',
    lease_ids: [],
    devices: [],
    applied: 'untouched',
    message: '',
    cap_at_restart: false,
    over: null,
    limits: { memory: null, pids: null, cpu: null, enforced_by: null },
    death: null,
    ...changes
  };
}

/** Out of memory at noon, in cell 7. */
export function death(changes: Partial<Death> = {}): Death {
  return {
    time: NOON / 1000,
    reason: 'out_of_memory',
    limit: 4 * 1024 ** 3,
    peak: 4 * 1024 ** 3,
    execution_count: 7,
    exit_code: -9,
    message: '',
    ...changes
  };
}

/** A warning to user-a. */
export function finding(changes: Partial<FindingAnswer> = {}): FindingAnswer {
  return {
    pid: 4711,
    name: 'python',
    device: 'GPU-0',
    kind: 'not_held',
    user: 'user-a',
    mine: true,
    kernel_id: 'k1',
    notebook: 'work/train.ipynb',
    lease_id: null,
    stage: 'warned',
    since: iso(0),
    next_at: iso(55),
    message: '',
    ...changes
  };
}

export function state(changes: Partial<IKernelState> = {}): IKernelState {
  return {
    phase: 'live',
    kernels: new Map(),
    idle: [],
    findings: [],
    strength: 'advisory',
    busy: new Set(),
    ...changes
  };
}
