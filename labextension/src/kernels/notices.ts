/** Pure rules: what a person is told of kernels without looking at the panel. */

import type { Words } from '../format';
import type { ILeaseRows } from '../leases/rows';
import type { Label } from '../leases/sentences';
import type { INoticeOf } from '../notifications';
import type { KernelAnswer } from '../wire';
import type { IKernelState } from './model';
import {
  deathHelp,
  deathLine,
  findingLine,
  idleLine,
  named,
  stageLine,
  titleOf
} from './sentences';

export type KernelAction =
  'keep' | 'release' | 'restart' | 'interrupt' | 'panel';

export interface IKernelNotice extends INoticeOf<KernelAction> {
  readonly kernelId: string | null;
  readonly leaseId: string | null;
}

/** All of them stay until they are moot. */
type Untimed = Omit<IKernelNotice, 'autoClose'>;

export interface IMoment {
  readonly state: IKernelState;
  readonly rows: ILeaseRows;
  /** Who looks; an administrator is shown the findings about others too. */
  readonly user: string | null;
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
      ...restart(kernel, moment, label, words)
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
    .filter(({ stage, user }) => stage !== 'reported' && user === moment.user)
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
