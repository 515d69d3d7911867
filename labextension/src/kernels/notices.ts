/** Pure rules: what a person is told of kernels without looking at the panel. */

import type { Words } from '../format';
import type { ILeaseRows } from '../leases/rows';
import type { Label } from '../leases/sentences';
import type { INoticeOf } from '../notifications';
import type { KernelAnswer } from '../wire';
import { deathHelp, deathLine } from './deaths';
import { findingLine, stageLine } from './findings';
import type { IKernelState } from './model';
import { stopsIn } from './rows';
import { idleLine, named, overNotice, titleOf } from './sentences';

export type KernelAction =
  'keep' | 'release' | 'restart' | 'interrupt' | 'panel' | 'request';

export interface IKernelNotice extends INoticeOf<KernelAction> {
  readonly kernelId: string | null;
  readonly leaseId: string | null;
}

/** All of them stay until they are moot. */
type Untimed = Omit<IKernelNotice, 'autoClose'>;

export interface IMoment {
  readonly state: IKernelState;
  readonly rows: ILeaseRows;
  readonly reminded: ReadonlySet<string>;
  /** Keys of notices that were answered in a dialog. */
  readonly answered: ReadonlySet<string>;
  /** Milliseconds of the authority's clock: what happened before is no news. */
  readonly since: number;
  readonly now: number;
}

export function kernelNotices(
  moment: IMoment,
  label: Label,
  words: Words
): IKernelNotice[] {
  const { state, answered } = moment;
  const all = [
    ...[...state.kernels.values()].flatMap(kernel => [
      ...died(kernel, moment, words),
      ...restart(kernel, moment, label, words),
      ...over(kernel, moment, label, words)
    ]),
    ...idle(moment, label, words),
    ...guard(moment, label, words)
  ];
  return all
    .filter(({ key, stage }) => !answered.has(`${key} ${stage}`))
    .map(notice => ({ ...notice, autoClose: false }));
}

function died(
  { death, kernel_id: kernelId, notebook }: KernelAnswer,
  { since, now }: IMoment,
  words: Words
): Untimed[] {
  // Of those whose reason isn't known, JupyterLab itself tells as much.
  if (!death || death.reason === 'unknown' || death.time * 1000 < since) {
    return [];
  }
  const what = words.__(
    '%1: %2.',
    titleOf(notebook, words),
    deathLine(death, now, words).replace(/\.$/, '')
  );
  return [
    {
      key: `death ${kernelId}`,
      stage: String(death.time),
      type: 'error',
      message: `${what} ${deathHelp(death, words)}`.trim(),
      actions: [],
      kernelId,
      leaseId: null
    }
  ];
}

export function restartKey(kernel: KernelAnswer): string {
  return `restart ${kernel.kernel_id} ${kernel.devices.join()}`;
}

function restart(
  kernel: KernelAnswer,
  { rows }: IMoment,
  label: Label,
  words: Words
): Untimed[] {
  const lease = rows.active.find(
    ({ kernel_id: id }) => id === kernel.kernel_id
  );
  if (kernel.applied !== 'restart' || !lease) {
    return [];
  }
  const stage = kernel.devices.join();
  return [
    {
      key: `restart ${kernel.kernel_id}`,
      stage,
      type: 'warning',
      message: words.__(
        '%1 is yours, but %2 can use it only after a restart, which loses its variables.',
        named(lease, label, words),
        titleOf(kernel.notebook, words)
      ),
      actions: ['restart'],
      kernelId: kernel.kernel_id,
      leaseId: lease.id
    }
  ];
}

/** The lease is over, and the kernel goes on as if it were not. */
function over(
  kernel: KernelAnswer,
  { state, now }: IMoment,
  label: Label,
  words: Words
): Untimed[] {
  if (!kernel.over || isStopping(kernel, state)) {
    return [];
  }
  const stops = stopsIn(kernel.over, now);
  return [
    {
      key: `over ${kernel.kernel_id}`,
      // It comes up once more before it is stopped.
      stage: stops === null ? 'over' : stops > 60 ? 'grace' : 'last',
      type: 'warning',
      message: overNotice(kernel, kernel.over, label, now, words),
      actions: ['request', kernel.state === 'busy' ? 'interrupt' : 'restart'],
      kernelId: kernel.kernel_id,
      leaseId: kernel.over.lease_id
    }
  ];
}

/** Whether the guard has begun to stop it: then that is told. */
function isStopping(kernel: KernelAnswer, { findings }: IKernelState): boolean {
  return findings.some(
    ({ kind, stage, kernel_id: id }) =>
      kind === 'ended' &&
      id === kernel.kernel_id &&
      stage !== 'warned' &&
      stage !== 'reported'
  );
}

function idle(moment: IMoment, label: Label, words: Words): Untimed[] {
  const { state, rows, reminded, now } = moment;
  return state.idle.flatMap(answer => {
    const lease = rows.active.find(({ id }) => id === answer.lease_id);
    return lease
      ? [
          {
            key: `idle ${lease.id}`,
            stage: reminded.has(lease.id) ? 'reminded' : 'asked',
            type: 'warning' as const,
            message: words.__(
              '%1: %2',
              named(lease, label, words),
              idleLine(answer, now, words)
            ),
            actions: ['keep', 'release'] as const,
            kernelId: lease.kernel_id,
            leaseId: lease.id
          }
        ]
      : [];
  });
}

function guard(moment: IMoment, label: Label, words: Words): Untimed[] {
  return moment.state.findings
    .filter(
      ({ stage, mine, kind, kernel_id: id }) =>
        // An administrator is shown those about others too.
        mine &&
        stage !== 'reported' &&
        // Told by `over`, with what is lost.
        !(
          kind === 'ended' &&
          stage === 'warned' &&
          moment.state.kernels.get(id ?? '')?.over
        )
    )
    .map(finding => ({
      key: `guard ${finding.pid} ${finding.since}`,
      stage: finding.stage,
      type: finding.stage === 'warned' ? 'warning' : 'error',
      message: words.__(
        '%1: %2.',
        findingLine(finding, label, words),
        stageLine(finding, moment.now, words)
      ),
      actions:
        finding.stage === 'warned' && finding.kernel_id !== null
          ? ['interrupt', 'panel']
          : ['panel'],
      kernelId: finding.kernel_id,
      leaseId: finding.lease_id
    }));
}
